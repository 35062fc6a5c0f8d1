// What a case is, and how one is measured. The order of events in a group (one case at one set of parameters):
//
//   1. every contender is loaded, each in a process of its own
//   2. warm-up rounds, thrown away
//   3. rounds: one sample of A, one of B, one of C, then again from A, so that drift of the machine hits all alike
//
// A process each, because V8 shares type feedback and inlining decisions between everything that runs through one code
// path: two cores behind one hub loop in one process would measure the mixture. `--one-process` measures just that.

import { Lane, type Reply } from './lane.ts';
import { type Summary, summarize, type Verdict, verdict } from './statistics.ts';

export type Role = 'floor' | 'baseline' | 'engine' | 'peer';
export type Params = Readonly<Record<string, number | string>>;

/** One sample: `count` operations that were seen to happen, and what they took together, in the group's base unit. */
export interface Reading {
  readonly count: number;
  readonly amount: number;
}

/** A loaded contender. */
export interface Sampler {
  /** What `count` must be; anything else fails the run. */
  readonly expect: number;
  sample(): Reading | Promise<Reading>;
  close?(): void | Promise<void>;
}

export interface Contender {
  readonly id: string;
  readonly role: Role;
  /** Added to the row's parameters, where one group holds several forms of one contender. */
  readonly params?: Params;
  /** Environment and flags of its process. */
  readonly env?: Readonly<Record<string, string>>;
  readonly flags?: readonly string[];
  /** True if its own thread waits for another or for a process, so that it is off the processor by nature. */
  readonly waits?: boolean;
  /** Sets the contender up. Throws `Unavailable` if this machine cannot run it. */
  load(): Sampler | Promise<Sampler>;
}

/** Contenders that do the same work and are measured together. At most one floor and one baseline. */
export interface Group {
  readonly params: Params;
  readonly unit: string;
  readonly contenders: readonly Contender[];
  /** Samples, if the case knows better than the caller. */
  readonly samples?: number;
  /** A new process for every sample: what a process keeps (memory, caches) must not reach the next. */
  readonly fresh?: boolean;
}

export interface Case {
  readonly name: string;
  /** What is measured and what the baselines leave out; printed above the table. */
  readonly about: string;
  groups(options: Scale): Group[];
}

/** What decides how much work a case plans. Parent and child plan from the same values and so agree on the groups. */
export interface Scale {
  readonly quick: boolean;
  /** Sizes that take minutes or gigabytes. */
  readonly large: boolean;
}

export interface Options extends Scale {
  readonly samples?: number;
  readonly oneProcess: boolean;
  /** Keep only these contenders, and floor and baseline. */
  readonly only?: readonly string[];
  progress(text: string): void;
}

export interface Row extends Summary {
  readonly case: string;
  readonly params: Params;
  readonly contender: string;
  readonly role: Role;
  readonly unit: string;
  readonly ratioToFloor: number | null;
  readonly ratioToBaseline: number | null;
  readonly versusBaseline: Verdict | null;
  /** Values of the samples, in the order they were taken. */
  readonly values: readonly number[];
}

export interface Missing {
  readonly contender: string;
  readonly why: string;
  /** Case and parameters, one for each group it is missing from. */
  readonly where: string[];
}

export interface Warning {
  readonly case: string;
  readonly params: Params;
  readonly contender: string;
  readonly text: string;
}

export interface Outcome {
  readonly rows: Row[];
  readonly missing: Missing[];
  readonly warnings: Warning[];
  /** True if a contender that could be loaded broke later. The rest still counts, but the run is not a success. */
  broken: boolean;
}

/** This machine cannot run the contender; the message says why. Anything else thrown by `load` is a defect. */
export class Unavailable extends Error {
  override name = 'Unavailable';
}

/** A contender did other work than it was asked for: its figure is worth nothing, nor is the comparison. */
export class WrongCount extends Error {
  override name = 'WrongCount';
}

const LOAD_LIMIT_MS = 180_000;
const SAMPLE_LIMIT_MS = 120_000;
const WARMUP = { quick: { rounds: 3, ms: 60 }, full: { rounds: 5, ms: 250 } };
const MOST_WARMUP_ROUNDS = 40;
const SAMPLES = { quick: 10, full: 30 };

/**
 * A sample is taken again if its thread was kept off the processor for this much more of the time than in the calmest
 * sample so far: something else ran. The criterion knows nothing of the figure, so it favours nobody.
 */
const DISTURBED = 0.1;
const RETAKES = 4;

/** Below this an operation did not happen: one V8 loop iteration that does anything takes longer. */
const IMPLAUSIBLE_NS = 0.3;
/** A sample must be this many steps of the clock, and at least this long, else the clock is part of the figure. */
const CLOCK_STEPS = 1000;
const SHORT_SAMPLE_NS = 100_000;
/** p99 this far above p50: something else ran on the machine, or the contender has two speeds. */
const WIDE = 2;

/** How `params` are written in tables, progress lines and messages. */
export function format(params: Params): string {
  return Object.entries(params)
    .map(([key, value]) => `${key}=${typeof value === 'number' ? grouped(value) : value}`)
    .join(' ');
}

/** 1000000 as 1 000 000. */
export function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ' ');
}

interface Entry {
  readonly contender: Contender;
  readonly index: number;
  readonly values: number[];
  /** Shortest amount of a sample, for the check against the clock. */
  shortest: number;
  /** Least share of a sample's time off the processor. */
  calm: number;
  /** Samples that were kept although disturbed. */
  disturbed: number;
  lane: Lane | undefined;
  lost: string | undefined;
}

/** Measure every group of `item` and add what came out to `outcome`. */
export async function measure(item: Case, options: Options, outcome: Outcome): Promise<void> {
  const groups = item.groups(options);
  for (const [g, group] of groups.entries()) {
    const title = `${item.name} ${format(group.params)}`;
    const entries: Entry[] = group.contenders
      .map((contender, index) => newEntry(contender, index))
      .filter(({ contender }) => wanted(contender, options.only));
    const run = new GroupRun(item, g, group, entries, title, options, outcome);
    await run.all();
    report(item, group, entries, outcome);
  }
}

function newEntry(contender: Contender, index: number): Entry {
  return {
    contender,
    index,
    values: [],
    shortest: Infinity,
    calm: Infinity,
    disturbed: 0,
    lane: undefined,
    lost: undefined,
  };
}

function wanted(contender: Contender, only: readonly string[] | undefined): boolean {
  if (!only) return true;
  return contender.role === 'floor' || contender.role === 'baseline' || only.some((id) => contender.id.startsWith(id));
}

class GroupRun {
  readonly #case: Case;
  readonly #groupIndex: number;
  readonly #group: Group;
  readonly #entries: Entry[];
  readonly #title: string;
  readonly #options: Options;
  readonly #outcome: Outcome;
  #shared: Lane | undefined;

  constructor(
    item: Case,
    groupIndex: number,
    group: Group,
    entries: Entry[],
    title: string,
    options: Options,
    outcome: Outcome,
  ) {
    this.#case = item;
    this.#groupIndex = groupIndex;
    this.#group = group;
    this.#entries = entries;
    this.#title = title;
    this.#options = options;
    this.#outcome = outcome;
  }

  async all(): Promise<void> {
    const { quick, progress } = this.#options;
    const samples = this.#options.samples ?? this.#group.samples ?? (quick ? SAMPLES.quick : SAMPLES.full);
    try {
      if (!this.#group.fresh) {
        progress(`${this.#title}: loading`);
        await this.#loadAll();
        await this.#warmUp();
      }
      for (let round = 1; round <= samples; round++) {
        for (const entry of this.#alive()) {
          progress(`${this.#title}: sample ${round}/${samples} ${entry.contender.id}`);
          if (this.#group.fresh) await this.#load(entry);
          const reading = await this.#undisturbed(entry);
          if (reading) {
            entry.values.push(reading.amount / reading.count);
            entry.shortest = Math.min(entry.shortest, reading.amount);
          }
          if (this.#group.fresh) await this.#drop(entry);
        }
      }
    } finally {
      await Promise.all(this.#entries.map((entry) => this.#drop(entry)));
      await this.#shared?.close();
    }
  }

  #alive(): Entry[] {
    return this.#entries.filter((entry) => entry.lost === undefined);
  }

  async #loadAll(): Promise<void> {
    if (this.#options.oneProcess) {
      const flags = new Set(this.#entries.flatMap((entry) => entry.contender.flags ?? []));
      this.#shared = Lane.open([...flags], { GEVENT_BENCH_ONE_PROCESS: '1' });
      for (const entry of this.#entries) await this.#load(entry);
    } else {
      // Nothing is timed yet, so the cores may as well be busy.
      await Promise.all(this.#entries.map((entry) => this.#load(entry)));
    }
  }

  async #load(entry: Entry): Promise<void> {
    const { contender, index } = entry;
    const { quick, large } = this.#options;
    entry.lane = this.#shared ?? Lane.open(contender.flags ?? [], contender.env ?? {});
    const reply = await entry.lane.ask(
      { kind: 'load', case: this.#case.name, group: this.#groupIndex, contender: index, scale: { quick, large } },
      LOAD_LIMIT_MS,
    );
    if (reply.kind === 'unavailable') this.#lose(entry, reply.why, false);
    else if (reply.kind === 'failed') this.#lose(entry, reply.why, true);
  }

  async #warmUp(): Promise<void> {
    const { rounds, ms } = WARMUP[this.#options.quick ? 'quick' : 'full'];
    const spent = new Map<Entry, number>();
    for (let round = 1; round <= MOST_WARMUP_ROUNDS; round++) {
      const cold = this.#alive().filter((entry) => round <= rounds || (spent.get(entry) ?? 0) < ms);
      if (cold.length === 0) return;
      for (const entry of cold) {
        this.#options.progress(`${this.#title}: warm-up ${round} ${entry.contender.id}`);
        const start = performance.now();
        await this.#sample(entry);
        spent.set(entry, (spent.get(entry) ?? 0) + performance.now() - start);
      }
    }
  }

  /** The calmest of a few tries; the first, as a rule. */
  async #undisturbed(entry: Entry): Promise<Extract<Reply, { kind: 'reading' }> | undefined> {
    let best = await this.#sample(entry);
    const exempt = this.#group.fresh || entry.contender.waits;
    const disturbed = () => best && !exempt && best.off > entry.calm + DISTURBED;
    for (let left = RETAKES; left > 0 && disturbed(); left--) {
      const next = await this.#sample(entry);
      if (next && best && next.off < best.off) best = next;
    }
    if (disturbed()) entry.disturbed++;
    return best;
  }

  async #sample(entry: Entry): Promise<Extract<Reply, { kind: 'reading' }> | undefined> {
    if (entry.lost !== undefined || !entry.lane) return undefined;
    const reply = await entry.lane.ask({ kind: 'sample', contender: entry.index }, SAMPLE_LIMIT_MS);
    if (reply.kind !== 'reading') {
      this.#lose(entry, reply.kind === 'loaded' ? 'answered out of turn' : reply.why, true);
      return undefined;
    }
    if (reply.count !== reply.expect) {
      throw new WrongCount(
        `${this.#title}: ${entry.contender.id} did ${reply.count} operations where ${reply.expect} were asked for`,
      );
    }
    entry.calm = Math.min(entry.calm, reply.off);
    return reply;
  }

  #lose(entry: Entry, why: string, broken: boolean): void {
    entry.lost = why;
    const id = entry.contender.id;
    const known = this.#outcome.missing.find((each) => each.contender === id && each.why === why);
    if (!known) this.#outcome.missing.push({ contender: id, why, where: [this.#title] });
    else if (!known.where.includes(this.#title)) known.where.push(this.#title);
    if (broken) this.#outcome.broken = true;
  }

  async #drop(entry: Entry): Promise<void> {
    const lane = entry.lane;
    entry.lane = undefined;
    if (lane && lane !== this.#shared) await lane.close();
  }
}

function report(item: Case, group: Group, entries: readonly Entry[], outcome: Outcome): void {
  const measured = entries.filter((entry) => entry.lost === undefined && entry.values.length > 0);
  const floor = measured.find((entry) => entry.contender.role === 'floor');
  const baseline = measured.find((entry) => entry.contender.role === 'baseline');
  const summaries = new Map(measured.map((entry) => [entry, summarize(entry.values)]));
  const ratio = (entry: Entry, to: Entry | undefined): number | null =>
    to ? (summaries.get(entry) as Summary).p50 / (summaries.get(to) as Summary).p50 : null;
  for (const entry of measured) {
    const { contender, values } = entry;
    const params = { ...group.params, ...contender.params };
    const summary = summaries.get(entry) as Summary;
    outcome.rows.push({
      case: item.name,
      params,
      contender: contender.id,
      role: contender.role,
      unit: group.unit,
      ...summary,
      ratioToFloor: ratio(entry, floor),
      ratioToBaseline: ratio(entry, baseline),
      versusBaseline: baseline && baseline !== entry ? verdict(values, baseline.values) : null,
      values,
    });
    for (const text of doubts(group.unit, summary, entry)) {
      outcome.warnings.push({ case: item.name, params, contender: contender.id, text });
    }
  }
}

function doubts(unit: string, { p50, p99, samples }: Summary, { shortest, disturbed }: Entry): string[] {
  const found: string[] = [];
  if (unit.startsWith('ns/')) {
    if (p50 < IMPLAUSIBLE_NS) found.push(`${p50.toFixed(2)} ${unit} is no work at all: likely optimised away`);
    const least = Math.max(SHORT_SAMPLE_NS, CLOCK_STEPS * clockStepNs());
    if (shortest < least) {
      found.push(
        `a sample of ${(shortest / 1000).toFixed(0)} us is too short for the clock (${(least / 1000).toFixed(0)} us)`,
      );
    }
    if (disturbed > samples / 4) found.push(`${disturbed} of ${samples} samples lost the processor to something else`);
    if (samples < 5) found.push(`${samples} samples say little about the spread`);
  }
  if (p50 > 0 && p99 / p50 > WIDE)
    found.push(`p99 is ${(p99 / p50).toFixed(1)} times p50: a noisy machine, or two speeds`);
  return found;
}

let stepNs = 0;

/** The smallest difference that two reads of the clock show, call included. */
function clockStepNs(): number {
  if (stepNs > 0) return stepNs;
  stepNs = Infinity;
  for (let i = 0; i < 1000; i++) {
    const from = performance.now();
    let to = performance.now();
    while (to === from) to = performance.now();
    stepNs = Math.min(stepNs, (to - from) * 1e6);
  }
  return stepNs;
}
