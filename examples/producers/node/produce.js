#!/usr/bin/env node
// Pushes jobs from Node: each is one XADD of ioredis, with any field of the contract.
//
//     node produce.js QUEUE PAYLOAD... [FIELD=VALUE...]
//
// prints the ids. $REDIS_URL says where: redis://[user:pass@]host:port/db or unix:///path.
'use strict';

const Redis = require('ioredis');

const isField = (argument) => /^[a-z_]+(\.\w+)?=/.test(argument);

async function main([queue, ...rest]) {
    const url = process.env.REDIS_URL || 'redis://127.0.0.1:6379/0';
    const redis = new Redis(url.replace(/^unix:\/\//, ''), { maxRetriesPerRequest: 3 });
    const fields = rest.filter(isField).flatMap((argument) => {
        const at = argument.indexOf('=');
        return [argument.slice(0, at), argument.slice(at + 1)];
    });

    // One round trip for all of them. Never with MAXLEN: the queue is trimmed by its daemons, behind what has ended.
    const pipeline = redis.pipeline();
    for (const payload of rest.filter((argument) => !isField(argument)))
        pipeline.xadd(`penstock:{${queue}}:ready`, '*', ...fields, 'payload', payload);
    for (const [error, entry] of await pipeline.exec()) {
        if (error)
            throw error;
        const own = fields.indexOf('id');
        console.log(own < 0 ? entry : fields[own + 1]);
    }
    await redis.quit();
}

if (process.argv.length < 4) {
    console.error('usage: produce.js QUEUE PAYLOAD... [FIELD=VALUE...]');
    process.exit(2);
}
main(process.argv.slice(2)).catch((error) => {
    console.error(error.message);
    process.exit(1);
});
