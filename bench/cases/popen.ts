import * as popen from '../contenders/popen.ts';
import type { Case, Group } from '../harness.ts';

export const popenTrue: Case = {
  name: 'popen',
  about: `Children that run true, each awaited, one or ten at a time. alone: stdio is the parent's. pipes: all three are pipes, written
and read to their ends. Nearly all of it is the system's: fork and exec of a process as large as the parent. The baseline is
child_process.spawn and its events.`,
  groups({ quick }) {
    const group = (form: popen.Form, n: number): Group => {
      const total = quick ? 60 : 200;
      return {
        params: { form, n },
        unit: 'ns/child',
        contenders: [popen.native(form, n, total), popen.engine(form, n, total), popen.gevent(form, n, total)],
        samples: quick ? 10 : 20,
      };
    };
    return [group('alone', 1), group('alone', 10), group('pipes', 1), group('pipes', 10)];
  },
};
