// Entry `gevent-wasm/monkey/auto`: importing it is patchAll(). `GEVENT_MONKEY=no-thread,no-time` leaves patches out.

import { patchFromEnvironment } from './monkey/command.ts';

patchFromEnvironment();
