// The script of all pages: each file has one purpose, and every page works, to read, without any of them.
import { start as times } from "./times.js";
import { start as live } from "./live.js";
import { start as keys } from "./keys.js";
import { start as theme } from "./theme.js";
import { start as copy } from "./copy.js";
import { start as charts } from "./charts.js";
import { start as bulk } from "./bulk.js";
import { start as suggest } from "./suggest.js";

for (const start of [times, theme, keys, copy, charts, bulk, suggest, live]) start();
