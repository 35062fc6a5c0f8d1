// The main greenlet of a hub.

import { GeventError } from '../exceptions.ts';
import { RawGreenlet } from './raw.ts';

/** The main greenlet: the program's own synchronous and top-level code. */
export class Main extends RawGreenlet {
  override get parent(): null {
    return null;
  }
  override set parent(_parent: RawGreenlet) {
    throw new GeventError('GEVENT_MAIN_PARENT', 'cannot set the parent of a main greenlet');
  }
  override get dead(): boolean {
    return false;
  }
  override toString(): string {
    return '<greenlet main>';
  }
}
