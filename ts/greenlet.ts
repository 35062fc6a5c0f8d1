// Entry `gevent-wasm/greenlet`: the primitive, under the names of Python's greenlet package.

import './hub.ts';

export { GreenletError as error, GreenletExit } from './exceptions.ts';
export { gettrace, settrace } from './hub/observe.ts';
export { getcurrent, RawGreenlet as greenlet, SwitchOperation } from './hub/raw.ts';
