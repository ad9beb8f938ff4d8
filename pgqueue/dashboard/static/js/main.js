// The script of all pages: each file has one purpose, and every page works, to read, without any of them.
import { start as times } from "./times.js";
import { start as keys } from "./keys.js";
import { start as theme } from "./theme.js";
import { start as copy } from "./copy.js";
import { start as log } from "./log.js";
import { start as charts } from "./charts.js";
import { start as graphs } from "./graphs.js";
import { start as bulk } from "./bulk.js";
import { start as suggest } from "./suggest.js";
import { start as live } from "./live.js";

for (const start of [times, keys, theme, copy, log, charts, graphs, bulk, suggest, live]) start();
