// The options of every server in JavaScript.
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '9001' },
    cert: { type: 'string' },
    key: { type: 'string' },
    deflate: { type: 'boolean', default: false },
    broadcast: { type: 'boolean', default: false },
  },
});

export const options = { ...values, port: Number(values.port) };
export const LIMIT = 64 * 1024 * 1024;
export const listening = () => console.log(`listening on 127.0.0.1:${options.port}`);
