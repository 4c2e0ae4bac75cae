/**
 * How long a test waits for what surely comes: on a machine four times slower it still does. Nothing waits that
 * long where all is well. Below the timeout of a test (vitest.config.ts), so that the test says what is missing.
 */
export const PATIENCE_MS = 120_000;
