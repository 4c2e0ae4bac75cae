/**
 * What the platform tells of itself, where it does: being online or not, and waking up. Browsers do, through
 * events of the window; elsewhere nothing is heard and the connection finds out by itself.
 */

/** `woke`: visible again, or back from sleep: a connection that looks open may be long dead. */
export type PlatformEvent = "wentOnline" | "wentOffline" | "woke";

interface EventSource {
  addEventListener?(name: string, listener: () => void): void;
  removeEventListener?(name: string, listener: () => void): void;
}

interface PlatformGlobals extends EventSource {
  readonly document?: EventSource & { readonly visibilityState?: string };
  readonly navigator?: { readonly onLine?: boolean };
}

/** Listens until the returned function is called. */
export function watchPlatform(tell: (event: PlatformEvent) => void): () => void {
  const globals = globalThis as PlatformGlobals;
  const { document } = globals;
  const onOnline = (): void => {
    tell("wentOnline");
  };
  const onOffline = (): void => {
    tell("wentOffline");
  };
  const onVisible = (): void => {
    if (document?.visibilityState === "visible") tell("woke");
  };
  const heard: readonly [EventSource | undefined, string, () => void][] = [
    [globals, "online", onOnline],
    [globals, "offline", onOffline],
    [document, "visibilitychange", onVisible],
    [document, "resume", onVisible],
  ];
  for (const [source, name, listener] of heard) source?.addEventListener?.(name, listener);
  if (globals.navigator?.onLine === false) onOffline();
  return () => {
    for (const [source, name, listener] of heard) source?.removeEventListener?.(name, listener);
  };
}
