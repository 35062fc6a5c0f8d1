// What belongs to a greenlet or goes from spawner to spawned: locals, context variables, the tree of spawns.

import { Greenlet, getcurrent, joinall, sleep, spawn } from '../../../ts/index.ts';
import { allLocalDictsForGreenlet, ContextVar, copyContext, local, Token } from '../../../ts/local.ts';
import { assertSwitches, GreenletTree } from '../../../ts/util.ts';
import { Oops, same, T, told } from '../scenario.ts';

type Body = Generator<any, any, any>;

export const context = [
  same(
    'local: a copy has the values of whoever copies, and goes its own way',
    `
    import copy
    l = local()
    l.x = 1
    c = copy.copy(l)
    c.x = 2
    log(l.x, c.x)
    def worker():
        log(getattr(c, 'x', None))
        c.x = 3
        log(c.x, getattr(l, 'x', None))
    joinall([spawn(worker)])
    log(l.x, c.x)
    `,
    function* (log) {
      const l = new local();
      l.x = 1;
      const c = local.copy(l);
      c.x = 2;
      log(l.x, c.x);
      const worker = () => {
        log(c.x);
        c.x = 3;
        log(c.x, l.x);
      };
      yield* joinall([spawn(worker)]);
      log(l.x, c.x);
    },
  ),

  same(
    'local: what all of them hold for one greenlet, until it ends',
    `
    from gevent.local import all_local_dicts_for_greenlet as held
    a, b = local(), local()
    a.x = 1
    def worker():
        a.x = 2
        b.y = 3
        sleep(T)
    g = spawn(worker)
    log(held(g))
    sleep(0)
    both = sorted((sorted(d.items()) for _, d in held(g)))
    log(both)
    g.join()
    log(held(g))
    `,
    function* (log) {
      const [a, b] = [new local(), new local()];
      a.x = 1;
      function* worker(): Body {
        a.x = 2;
        b.y = 3;
        yield* sleep(T);
      }
      const g = spawn(worker);
      log(allLocalDictsForGreenlet(g));
      yield* sleep(0);
      const both = allLocalDictsForGreenlet(g).map(([, d]) => Object.entries(d).sort());
      log(both.sort());
      yield* g.join();
      log(allLocalDictsForGreenlet(g));
    },
  ),

  same(
    'a context variable: default, set, reset, and what its tokens know',
    `
    from gevent.contextvars import ContextVar, Token
    v = ContextVar('v', default=0)
    log(v.name, v.get())
    first = v.set(1)
    second = v.set(2)
    log(v.get(), first.old_value is Token.MISSING, second.old_value, second.var is v)
    v.reset(second)
    log(v.get())
    v.reset(first)
    log(v.get(), type(told(lambda: v.reset(first))).__name__ != 'NoneType')
    bare = ContextVar('bare')
    log(bare.get('else'), isinstance(told(bare.get), Exception))
    `,
    function* (log) {
      const v = new ContextVar('v', { default: 0 });
      log(v.name, v.get());
      const first = v.set(1);
      const second = v.set(2);
      log(v.get(), first.oldValue === Token.MISSING, second.oldValue, second.var === v);
      v.reset(second);
      log(v.get());
      v.reset(first);
      log(v.get(), (yield* told(() => v.reset(first))) instanceof Error);
      const bare = new ContextVar('bare');
      log(bare.get('else'), (yield* told(() => bare.get())) instanceof Error);
    },
  ),

  same(
    'a context: run changes the copy alone, may not be entered twice, and passes an error on',
    `
    from gevent.contextvars import ContextVar, copy_context
    v = ContextVar('v')
    v.set('outer')
    c = copy_context()
    def inside():
        log(v.get())
        v.set('inner')
        log(isinstance(told(lambda: c.run(lambda: 1)), RuntimeError))
        return 5
    log(c.run(inside), v.get(), c[v])
    d = c.copy()
    def fails():
        v.set('failed')
        raise Oops('no')
    log(told(lambda: d.run(fails)), d[v], c[v], v in copy_context())
    `,
    function* (log) {
      const v = new ContextVar<string>('v');
      v.set('outer');
      const c = copyContext();
      const inside = () => {
        log(v.get());
        v.set('inner');
        try {
          c.run(() => 1);
          log(false);
        } catch (error) {
          log(error instanceof Error);
        }
        return 5;
      };
      log(c.run(inside), v.get(), c.get(v));
      const d = c.copy();
      const fails = () => {
        v.set('failed');
        throw new Oops('no');
      };
      log(yield* told(() => d.run(fails)), d.get(v), c.get(v), copyContext().has(v));
    },
  ),

  same(
    'who spawned whom: the tree, its root, and what is left of it when the parent has ended',
    `
    from gevent.util import GreenletTree
    def child():
        sleep(2 * T)
    def parent():
        kids.extend(spawn(child) for _ in range(2))
        sleep(T)
    kids = []
    p = spawn(parent)
    me = gevent.getcurrent()
    sleep(0)
    def depth(tree, g, at=0):
        if tree.greenlet is g: return at
        return max([-1] + [depth(t, g, at + 1) for t in tree.child_trees])
    tree = GreenletTree.current_tree()
    log(tree.is_current_tree, depth(tree, me), [depth(tree, g) for g in [p] + kids], len(list(tree.format_lines())) > 3)
    log(kids[0].spawning_greenlet() is p, p.spawning_greenlet() is me)
    kids[0].spawn_tree_locals['who'] = 'all'
    log(p.spawn_tree_locals['who'], p.spawn_tree_locals is me.spawn_tree_locals)
    p.join()
    log(any(depth(t, kids[0]) >= 0 for t in GreenletTree.forest()))
    log(kids[0].spawning_stack is not None, Greenlet.spawning_stack_limit)
    `,
    function* (log) {
      function* child(): Body {
        yield* sleep(2 * T);
      }
      function* parent(): Body {
        kids.push(spawn(child), spawn(child));
        yield* sleep(T);
      }
      const kids: Greenlet[] = [];
      const p = spawn(parent);
      const me = getcurrent() as Greenlet;
      yield* sleep(0);
      const depth = (tree: GreenletTree, g: unknown, at = 0): number => {
        if (tree.greenlet === g) return at;
        return Math.max(-1, ...tree.childTrees.map((t) => depth(t, g, at + 1)));
      };
      const tree = GreenletTree.currentTree();
      const lines = [...tree.formatLines()];
      log(
        tree.isCurrentTree,
        depth(tree, me),
        [p, ...kids].map((g) => depth(tree, g)),
        lines.length > 3,
      );
      log(kids[0].spawningGreenlet === p, p.spawningGreenlet === me);
      (kids[0].spawnTreeLocals as Record<string, unknown>).who = 'all';
      log(p.spawnTreeLocals?.who, p.spawnTreeLocals === me.spawnTreeLocals);
      yield* p.join();
      log(GreenletTree.forest().some((t) => depth(t, kids[0]) >= 0));
      log(kids[0].spawningStack !== null, Greenlet.spawningStackLimit);
    },
  ),

  same(
    'spawn callbacks hear of each start, and no more when removed; spawn and spawn_later as functions of the class',
    `
    def heard(g): log('spawned', g is not None)
    Greenlet.add_spawn_callback(heard)
    try:
        a = Greenlet.spawn(lambda: log('a'))
        b = Greenlet(lambda: log('b'))
        b.start()
        c = Greenlet.spawn_later(T, lambda: log('c'))
    finally:
        Greenlet.remove_spawn_callback(heard)
    log('quiet')
    d = spawn(lambda: log('d'))
    joinall([a, b, c, d])
    `,
    function* (log) {
      const heard = (g: unknown) => log('spawned', g !== null);
      Greenlet.addSpawnCallback(heard);
      const made: Greenlet[] = [];
      try {
        made.push(Greenlet.spawn(() => log('a')));
        const b = new Greenlet(() => log('b'));
        b.start();
        made.push(
          b,
          Greenlet.spawnLater(T, () => log('c')),
        );
      } finally {
        Greenlet.removeSpawnCallback(heard);
      }
      log('quiet');
      made.push(spawn(() => log('d')));
      yield* joinall(made);
    },
  ),

  same(
    'assert_switches: a function that went to the hub is fine, one that did not is told',
    `
    from gevent.util import assert_switches
    def with_(fn):
        with assert_switches():
            return fn()
    log(told(lambda: with_(lambda: sleep(T))))
    log(isinstance(told(lambda: with_(lambda: 1)), AssertionError))
    log(told(lambda: with_(lambda: exec('raise Oops("no")', {'Oops': Oops}))))
    `,
    function* (log) {
      log(yield* told(() => assertSwitches({}, () => sleep(T))));
      log((yield* told(() => assertSwitches({}, () => 1))) instanceof Error);
      const fails = () => {
        throw new Oops('no');
      };
      log(yield* told(() => assertSwitches({}, fails)));
    },
  ),
];
