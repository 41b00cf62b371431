/**
 * A grammar of your own, from JSON: the value of more context, some of its sentences, and a network that learns it. node
 * customGrammar.mjs [grammar.json]
 *
 * rules[level][symbol][rule] = tuple: here every symbol has m = 2 rules, of s = 2 symbols each; the symbols of the last level are
 * the tokens. Within a level every tuple occurs once. ruleProbabilities: one entry per level, null is uniform.
 */
import { readFileSync } from 'node:fs';
import { lab, parseRules } from 'rhm-lab/node';

const file = process.argv[2] ?? new URL('./grammar.json', import.meta.url);
const grammar = JSON.parse(readFileSync(file, 'utf8'));
const rules = parseRules(grammar); // refuses a faulty grammar and names the fault's place

const { H } = await lab.plateaus(rules);
for (const [ell, loss] of H.entries())
  console.log(`seeing ${rules.s ** ell - 1} tokens before the last one: ${loss.toFixed(4)} nats`);

const d = rules.s ** rules.L;
const sentences = await lab.sample(rules, { count: 3, seed: 1 });
for (let i = 0; i < 3; i++) console.log(`sentence ${i}: ${sentences.slice(i * d, (i + 1) * d).join(' ')}`);

const run = await lab.train({
  grammar,
  model: { kind: 'hcnn', width: 64 },
  budget: { batch: 32, steps: 1000 },
  evaluation: { size: 2048 },
});
console.log(
  `${run.reason}: test loss ${run.loss[0].toFixed(4)} after ${run.step} steps, the floor is ${H[rules.L].toFixed(4)}`,
);
