// Where this library's own files are, so that stacks can leave them out.

// Undefined where a bundler made CommonJS or a script of it.
const url: string | undefined = import.meta.url;

/** The folder of the hub's files, `…/ts/hub/` or `…/dist/`; what no stack has, where it is not known. */
export const HUB_FOLDER: string = url === undefined ? '\0' : new URL('.', url).pathname;
/** The folder of all of them. */
export const LIBRARY: string = HUB_FOLDER.replace(/hub\/$/, '');
