/**
 * Says what happens again and again at once, and then at most once a minute: a loop that tries every second fills a log
 * in the night in which somebody has to read it.
 *
 * @returns called each time; `say` is given how many times it was since the last that was said, this one included
 */
export function nowAndThen(
  everyMs = 60_000,
  nowMs: () => number = () => performance.now(),
): (say: (times: number) => void) => void {
  let times = 0;
  let saidMs = -Infinity;
  return (say) => {
    times += 1;
    if (nowMs() - saidMs < everyMs) return;
    saidMs = nowMs();
    say(times);
    times = 0;
  };
}
