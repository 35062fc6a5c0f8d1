/* C: the numbers from `first` to `last`, one after another, as somebody wants them.
 *
 *     clang --target=wasm32 -O2 -nostdlib -Wl,--no-entry -o numbers.wasm numbers.c
 */
#define FROM_GEVENT(name) __attribute__((import_module("gevent"), import_name(#name)))

FROM_GEVENT(channel_put) int channel_put(int channel, double item, double timeout);
FROM_GEVENT(channel_end) int channel_end(int channel, double timeout);

__attribute__((export_name("numbers"))) int numbers(int channel, int first, int last) {
  int count = 0;
  for (int i = first; i <= last; ++i) {
    if (channel_put(channel, i, -1) != 0) break;
    ++count;
  }
  channel_end(channel, -1);
  return count;
}
