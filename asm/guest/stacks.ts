// The collector of `--runtime incremental` finds what a function still needs on the shadow stack, and knows of one. Each greenlet has
// its own; an object of ours, a root, visits them all.
//
//   S1  a stack holds references from its pointer up to its top, and nothing else: the compiler clears each frame
//   S2  the host knows pointer and top of each greenlet that waits, and the top of the stack that is in use

import { __stack_pointer } from 'memory';
import { stackless, stacks } from './imports';

/** Pairs of pointer and top. */
let pairs: usize = 0;
let room = 32;

class Stacks {
  private nothing: i32 = 0;

  // The compiler lets classes of libraries say themselves what they refer to.
  @unsafe private __visit(cookie: u32): void {
    if (!pairs) pairs = heap.alloc((<usize>room) << 3);
    let count = stacks(pairs, room);
    while (count > room) {
      room = count << 1;
      heap.free(pairs);
      pairs = heap.alloc((<usize>room) << 3);
      count = stacks(pairs, room);
    }
    for (let i = 0; i < count; ++i) {
      const pair = pairs + ((<usize>i) << 3);
      const saved = load<u32>(pair);
      // 0: the stack in use, whose pointer is in the global.
      let at = saved ? <usize>saved : __stack_pointer;
      for (const top = <usize>load<u32>(pair, 4); at < top; at += sizeof<usize>()) __visit(load<usize>(at), cookie);
    }
  }
}

// 2: incremental. The others have no shadow stack, which the host cannot see.
if (ASC_RUNTIME === 2) __pin(changetype<usize>(new Stacks()));
else stackless();
