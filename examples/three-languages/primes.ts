// AssemblyScript: a filter of the sieve. Takes a prime as the first number it gets, and lets pass what it does not divide.

import { Channel } from 'gevent-wasm/assembly';

export function filter(from: i32, to: i32): i32 {
  const numbers = new Channel<i32>(from);
  const others = new Channel<i32>(to);
  const prime = numbers.get();
  while (numbers.next()) {
    if (numbers.value % prime !== 0) others.put(numbers.value);
  }
  others.end();
  return prime;
}
