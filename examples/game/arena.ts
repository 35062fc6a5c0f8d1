// The rules of the game, without clocks and sockets: who moves on a field without edges eats what he comes near.

export const FIELD = 1000;
const SPEED = 10;
const REACH = 15;
const FOOD = 20;

export interface Player {
  readonly id: number;
  readonly name: string;
  x: number;
  y: number;
  score: number;
  /** Where to: a vector of length 1, or 0. */
  go: [x: number, y: number];
  /** The number of the last order that was heard. */
  heard: number;
}

const anywhere = (): number => Math.floor(Math.random() * FIELD);
const within = (at: number): number => (at + FIELD) % FIELD;
const apart = (a: number, b: number): number => Math.min(Math.abs(a - b), FIELD - Math.abs(a - b));

export class Arena<P extends Player = Player> {
  readonly players = new Set<P>();
  readonly #food = Array.from({ length: FOOD }, (): [number, number] => [anywhere(), anywhere()]);
  tick = 0;

  /** A new player's beginnings. */
  static player(id: number, name: string): Player {
    return { id, name, x: anywhere(), y: anywhere(), score: 0, go: [0, 0], heard: 0 };
  }

  step(): void {
    ++this.tick;
    for (const player of this.players) {
      player.x = within(player.x + player.go[0] * SPEED);
      player.y = within(player.y + player.go[1] * SPEED);
      for (const food of this.#food) {
        if (apart(food[0], player.x) > REACH || apart(food[1], player.y) > REACH) continue;
        ++player.score;
        food[0] = anywhere();
        food[1] = anywhere();
      }
    }
  }

  /** What all are told: once encoded, for all. */
  snapshot(): string {
    const players = [...this.players].map(({ id, x, y, score, heard }) => [
      id,
      Math.round(x),
      Math.round(y),
      score,
      heard,
    ]);
    return JSON.stringify({ tick: this.tick, players, food: this.#food });
  }
}

/** The direction that a client asks for, of length 1; none if it asks for nonsense. */
export function direction(asked: unknown): [number, number] | null {
  if (!Array.isArray(asked) || asked.length !== 2 || !asked.every(Number.isFinite)) return null;
  const length = Math.hypot(asked[0], asked[1]);
  return length === 0 ? [0, 0] : [asked[0] / length, asked[1] / length];
}
