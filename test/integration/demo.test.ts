/**
 * Goal: Ctrl-C stops the live demo in order, and nothing of it is left. Method: the demo as a child process
 * with a folder for temporary files of its own; `npm run demo -- --once` is the other half, in `.ci/run`.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, it } from "vitest";

const DEMO = fileURLToPath(new URL("../../dist/demo/main.js", import.meta.url));

const folder = mkdtempSync(join(tmpdir(), "changecast-demo-test-"));
// Where root runs the demo, Postgres is another user, who has to get in.
chmodSync(folder, 0o755);
let demo: ChildProcess | undefined;

afterEach(() => {
  demo?.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
});

/** Processes whose command line or environment names the folder: all that the demo started. */
function processes(): string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false;
    try {
      const text = ["cmdline", "environ"].map((name) =>
        readFileSync(`/proc/${pid}/${name}`, "latin1"),
      );
      return text.join("").includes(folder);
    } catch {
      // It has ended, or is not ours to look at.
      return false;
    }
  });
}

it.runIf(process.platform === "linux")(
  "ends at once and whole with one Ctrl-C",
  async () => {
    const env = { ...process.env, TMPDIR: folder };
    demo = spawn(process.execPath, [DEMO], { stdio: ["ignore", "pipe", "inherit"], env });
    let said = "";
    demo.stdout?.setEncoding("utf8").on("data", (text: string) => (said += text));
    const ended = once(demo, "exit");
    await expect.poll(() => said).toMatch(/[1-9]\d* changes written.*amsterdam live, iberia live/);
    // Demo, Postgres, Changecast, two devices.
    expect(processes().length).toBeGreaterThanOrEqual(5);
    demo.kill("SIGINT");
    expect(await ended).toEqual([0, null]);
    expect(said).toContain("stopping: clients, Changecast, Postgres");
    await expect.poll(processes).toEqual([]);
    expect(readdirSync(folder)).toEqual([]);
  },
  120_000,
);
