// The script of all pages: each file has one purpose, and every page works, to read, without any of them.
import { start as times } from "./times.js";
import { start as live } from "./live.js";
import { start as keys } from "./keys.js";
import { start as theme } from "./theme.js";
import { start as copy } from "./copy.js";
import { start as log } from "./log.js";
import { start as charts } from "./charts.js";

for (const start of [times, theme, keys, copy, log, charts, live]) start();
