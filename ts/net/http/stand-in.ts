// Objects that stand in for the platform's Request and Response, and have one of the platform's made when they are looked into.

interface StandIn {
  /** The platform's own object, made when first asked for. */
  readonly $platform: object;
}

/** Give `type` what `platform` has besides, asked of `$platform`. Its objects are instances of `platform`, by prototype. */
export function standInFor(type: { prototype: StandIn }, platform: { prototype: object }): void {
  const own = new Set(Object.getOwnPropertyNames(type.prototype));
  for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(platform.prototype))) {
    if (own.has(name) || name === 'constructor') continue;
    Object.defineProperty(
      type.prototype,
      name,
      property.get === undefined
        ? {
            configurable: true,
            writable: true,
            value(this: StandIn, ...args: unknown[]) {
              return (this.$platform as any)[name](...args);
            },
          }
        : {
            configurable: true,
            get(this: StandIn) {
              return (this.$platform as any)[name];
            },
          },
    );
  }
  Object.setPrototypeOf(type.prototype, platform.prototype);
}
