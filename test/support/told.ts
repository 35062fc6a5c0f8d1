// What a call threw, as tests compare it.

/** An error as tests compare it: class, code if it has one, message. */
export function told(error: unknown): string {
  if (!(error instanceof Error)) return `no error: ${String(error)}`;
  const code = (error as { code?: unknown }).code;
  return `${error.name}${code === undefined ? '' : ` [${String(code)}]`}: ${error.message}`;
}

/** What a call threw, as `told` tells it. */
export function thrown(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return told(error);
  }
  return 'nothing was thrown';
}

/** How an awaited thing was rejected, as `told` tells it. */
export async function rejected(promise: PromiseLike<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return told(error);
  }
  return 'nothing was thrown';
}
