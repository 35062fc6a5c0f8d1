// The process in which contenders run; `lane.ts` is the other end. It plans the cases as the parent did and picks its
// contender by index, so that nothing but numbers crosses.

import { findCase } from './cases/index.ts';
import { type Sampler, Unavailable } from './harness.ts';
import type { Reply, Request } from './lane.ts';

const loaded = new Map<number, Sampler>();

process.on('message', (request: Request) => {
  answer(request).then(
    (reply) => process.send?.(reply),
    (error: unknown) => process.send?.(failure(error)),
  );
});

process.on('disconnect', async () => {
  for (const sampler of loaded.values()) await sampler.close?.();
  process.exit(0);
});

async function answer(request: Request): Promise<Reply> {
  if (request.kind === 'load') {
    const group = findCase(request.case).groups(request.scale)[request.group];
    loaded.set(request.contender, await group.contenders[request.contender].load());
    return { kind: 'loaded' };
  }
  const sampler = loaded.get(request.contender);
  if (!sampler) throw new Error(`contender ${request.contender} was never loaded here`);
  const from = performance.now();
  const used = process.threadCpuUsage();
  const { count, amount } = await sampler.sample();
  const { user, system } = process.threadCpuUsage(used);
  const off = 1 - (user + system) / 1000 / (performance.now() - from);
  return { kind: 'reading', count, amount, expect: sampler.expect, off: Math.max(0, off) };
}

function failure(error: unknown): Reply {
  if (error instanceof Unavailable) return { kind: 'unavailable', why: error.message };
  process.stderr.write(`\n${error instanceof Error ? error.stack : String(error)}\n`);
  return { kind: 'failed', why: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
}
