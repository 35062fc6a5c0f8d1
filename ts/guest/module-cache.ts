// Rewritten modules on disk.

export interface Store {
  read(key: string): Uint8Array<ArrayBuffer> | null;
  write(key: string, bytes: Uint8Array): void;
}

// Below the user's own cache folder, never in a shared one: whoever can write there decides what code runs.
export function diskCache(where: string | boolean): Store | null {
  const { process } = globalThis;
  if (where === false || process?.getBuiltinModule === undefined) return null;
  const fs = process.getBuiltinModule('node:fs');
  const path = process.getBuiltinModule('node:path');
  const os = process.getBuiltinModule('node:os');
  if (fs === undefined || path === undefined || os === undefined) return null;
  const home = process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), '.cache');
  const folder = typeof where === 'string' ? where : path.join(home, 'gevent-wasm');
  const file = (key: string) => path.join(folder, `${key}.wasm`);
  return {
    read(key) {
      try {
        const bytes = new Uint8Array(fs.readFileSync(file(key)));
        return WebAssembly.validate(bytes) ? bytes : null;
      } catch {
        return null;
      }
    },
    write(key, bytes) {
      try {
        fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
        // Renamed into place, so that nobody reads half of it.
        const part = `${file(key)}.${process.pid}.${Math.random().toString(36).slice(2)}`;
        fs.writeFileSync(part, bytes, { mode: 0o600 });
        fs.renameSync(part, file(key));
      } catch {
        // A cache that cannot be written is only slow.
      }
    },
  };
}
