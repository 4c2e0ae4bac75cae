/** The newest latencies as bars, with their median. */
const BARS = 60;
const HEIGHT = 60;
const WIDTH = 240;
/** The scale ends here at least, so that a quiet system does not look like a wild one. */
const SCALE_MS_MIN = 50;

export class LatencyPlot {
  readonly #svg: SVGElement;
  readonly #text: HTMLElement;
  #values: number[] = [];

  constructor(svg: SVGElement, text: HTMLElement) {
    this.#svg = svg;
    this.#text = text;
  }

  add(latencyMs: number): void {
    this.#values = [...this.#values, latencyMs].slice(-BARS);
    const sorted = [...this.#values].sort((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
    const worst = sorted[sorted.length - 1] ?? 0;
    this.#text.textContent = `median ${median.toFixed(0)} ms, worst ${worst.toFixed(0)} ms of the last ${sorted.length}`;
    const scale = Math.max(SCALE_MS_MIN, worst);
    const width = WIDTH / BARS;
    const bars = this.#values.map((value, at) => {
      const height = Math.max(1, (value / scale) * HEIGHT);
      const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      bar.setAttribute("x", String(at * width));
      bar.setAttribute("y", String(HEIGHT - height));
      bar.setAttribute("width", String(width - 1));
      bar.setAttribute("height", String(height));
      return bar;
    });
    this.#svg.replaceChildren(...bars);
  }
}
