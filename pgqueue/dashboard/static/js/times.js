// Times in words, kept up to date, and in the zone of who looks when pointed at. The words are those of render.from_now.
const UNITS = [["s", 1, 99.5], ["min", 60, 99.5 * 60], ["h", 3600, 99.5 * 3600], ["d", 86400, Infinity]];
const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

const clock = new Intl.DateTimeFormat("en-US", {
  weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit",
  hourCycle: "h23", timeZoneName: "short",
});

export function inWords(seconds) {
  const size = Math.abs(seconds);
  if (size < 1) return "now";
  const [name, unit] = UNITS.find(([, , most]) => Math.floor(size) < most);
  const words = `${Math.round(Math.floor(size) / unit).toLocaleString("en")} ${name}`;
  return seconds > 0 ? `in ${words}` : `${words} ago`;
}

// A time on the clock of who looks, in the words of render.on_clock.
export function onClock(at, form) {
  const part = Object.fromEntries(clock.formatToParts(at).map(({ type, value }) => [type, value]));
  const seconds = part.second === "00" ? "" : `:${part.second}`;
  const day = form === "short" ? `${part.day} ${part.month}` : `${part.weekday}, ${part.day} ${part.month} ${part.year}`;
  return `${day}, ${part.hour}:${part.minute}${seconds} ${part.timeZoneName}`;
}

export function refresh(within = document) {
  const now = Date.now();
  for (const element of within.querySelectorAll("time[datetime]")) {
    const at = Date.parse(element.dateTime);
    if (Number.isNaN(at)) continue;
    const words = "clock" in element.dataset ? onClock(at, element.dataset.clock) : inWords((at - now) / 1000);
    if (element.textContent !== words) element.textContent = words;
    const title = absolute.format(at);
    if (element.title !== title) element.title = title;
  }
}

export function start() {
  refresh();
  setInterval(() => document.hidden || refresh(), 1000);
}
