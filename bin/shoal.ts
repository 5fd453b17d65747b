#!/usr/bin/env node
/** The command line, from the sources. The published package starts at `shoal.mjs`. */
await import('#run/shoal-main.ts')
