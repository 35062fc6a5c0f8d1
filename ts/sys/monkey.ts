// Entry `gevent-wasm/monkey`: Node's own modules made to co-operate with greenlets, on request.
//
// Nothing in Node's I/O blocks, so there is less to replace than in Python: what gives a promise or takes a callback can be waited for by
// `yield*`, timers run on the hub, and callbacks know whose they are. docs/monkey.md has each patch.

// Whoever is loaded first brings the hub along.
import '../hub.ts';
import './monkey/types.ts';

export { type PatchAllOptions, patchAll, unpatchAll } from './monkey/all.ts';
export { main } from './monkey/command.ts';
export {
  patchDns,
  patchOs,
  patchPromise,
  patchSelect,
  patchSelectors,
  patchSignal,
  patchSocket,
  patchSsl,
  patchSubprocess,
  patchThread,
  patchTime,
} from './monkey/patch.ts';
export {
  getOriginal,
  isAnythingPatched,
  isModulePatched,
  isObjectPatched,
  MonkeyPatchWarning,
  type PatchSource,
  patchItem,
  patchModule,
  removeItem,
  saved,
  type Target,
} from './monkey/registry.ts';
