// Names of the platform that our declarations use and that only TypeScript's `dom` library has. A consumer's project may do without:
// @types/node has no WebAssembly. Where they are declared these add nothing, for interfaces merge; so they must stay empty.

declare global {
  namespace WebAssembly {
    interface Global {}
    interface Memory {}
    interface Module {}
    interface Table {}
    interface Tag {}
  }
}

export {};
