/** What stands at the end of every --help: command lines to copy, by the command's name. */
export type Example = readonly [line: string, what: string];

export const examples: Readonly<Record<string, readonly Example[]>> = {
  '': [
    ['rhm train --set model=hcnn model.width=64 --out out/run', 'a first network: records, weights, checkpoints'],
    ['rhm show out/run', 'its curve over the exact plateaus'],
    ['rhm reproduce', "the paper's figures in minutes"],
    ['rhm serve', 'the page'],
  ],
  doctor: [
    ['rhm doctor', 'what there is to compute on, and whether it computes right'],
    ['rhm doctor --adapter swiftshader --json', 'the same of one adapter, for programs'],
  ],
  rules: [
    ['rhm rules -v 16 -m 4 -L 4 --seed 1 > rules.json', 'a grammar of 16 symbols, 4 synonyms, depth 4'],
    ['rhm rules --rules rules.json', 'check a grammar that is given'],
  ],
  sample: [
    ['rhm sample --rules rules.json --count 10 --format text', 'ten sentences'],
    ['rhm sample -v 8 -m 2 -L 3 --count 1000000 --format npy -o tokens.npy', 'a million, for NumPy'],
    ['rhm sample -v 8 -m 2 -L 3 --count 5 --start 1000 --tree', 'sentences 1000 to 1004 with their derivations'],
  ],
  theory: [
    ['rhm theory -v 16 -m 4 -L 4', 'losses, correlations, sample complexities'],
    ['rhm theory -v 16 -m 4 -L 4 --instances 8 --json', 'averaged over eight grammars'],
  ],
  infer: [
    ['echo "3 ? 1 5 0 2 ? 7" | rhm infer --rules rules.json --tokens -', 'a sentence with two tokens hidden'],
    [
      'rhm sample -v 8 -m 2 -L 3 --count 10 | rhm infer -v 8 -m 2 -L 3 --tokens - --hide last --json',
      'the exact prediction of the last token',
    ],
    ['rhm infer --rules rules.json --tokens tokens.npy --noise 0.2', 'what tokens say of which a fifth are noise'],
  ],
  correlations: [
    ['rhm correlations -v 16 -m 4 -L 3 --count 65536', 'what is left of them above the noise'],
    ['rhm correlations --rules rules.json --level 1', 'with the hidden symbols above the tokens'],
  ],
  cluster: [
    ['rhm cluster -v 16 -m 4 -L 4 --instances 4', 'what correlations with the last token alone find'],
    ['rhm cluster --rules rules.json --levels 2,3 --json', 'levels 2 and 3 of one grammar'],
  ],
  tree: [
    ['rhm tree -v 16 -m 4 -L 4 --shuffle 7', 'the tree of shuffled positions, from which P it is right'],
    ['rhm tree --tokens sentences.npy -s 2 --json', 'of sentences of an unknown grammar'],
  ],
  train: [
    ['rhm train --set model=hcnn grammar.m=4 model.width=64 --out out/run', 'a network from fields'],
    ['rhm train experiment.yaml --dry-run', 'check a file: hash, steps, parameters, memory; nothing is written'],
    ['rhm train out/run/experiment.json --out out/run --resume', 'go on where it was stopped, to the same bits'],
    ['rhm train --from out/run --set optimiser.rate=0.1 budget.steps=200000 --out out/slower', 'go on with changes'],
    ['rhm train --set model=mla --json | jq -c \'select(.type == "eval") | [.step, .loss]\'', 'records as they happen'],
    ['cat experiment.json | rhm train - --set seed=3', 'from standard input'],
  ],
  predict: [
    ['rhm sample -v 16 -m 4 -L 4 --count 100 | rhm predict out/run --tokens -', 'what it predicts, and its logits'],
    ['rhm predict out/run --tokens tokens.npy --format npy -o logits.npy', 'logits for NumPy'],
    ['rhm predict out/run --tokens tokens.npy --hidden --format safetensors -o all.safetensors', 'hidden layers too'],
  ],
  python: [['rhm python', 'where rhm.py lies, to be copied beside a notebook']],
  sweep: [
    ['rhm sweep plan grid.yaml', 'what a grid comes to'],
    ['rhm sweep run grid.yaml --workers 2', 'train it; the same command continues'],
    ['rhm sweep status grid.yaml', 'how far it is'],
  ],
  'sweep plan': [
    ['rhm sweep plan grid.yaml', 'runs, groups, FLOPs, bytes, and time by a short calibration'],
    ['rhm sweep plan grid.yaml --no-calibrate --all', 'every run by name, at once'],
  ],
  'sweep run': [
    ['rhm sweep run grid.yaml --workers 2', 'two worker processes'],
    ['rhm sweep run grid.yaml --shard 0/4 --out /nfs/store', 'the first quarter of it, into a shared store'],
    ['rhm sweep run grid.yaml --retry-failed --json', 'again what was set aside; JSON lines'],
  ],
  'sweep status': [
    ['rhm sweep status grid.yaml', 'done, running, failed, waiting'],
    ['rhm sweep status out/sweep-grid --check', 'read every record, and set the index right'],
  ],
  'sweep export': [
    ['rhm sweep export out/sweep-grid', 'Parquet and CSV, for pandas, DuckDB, R'],
    ['rhm sweep export grid.yaml --format parquet --to tables', "only that grid's runs"],
  ],
  'sweep submit': [
    ['rhm sweep submit grid.yaml --queue redis://127.0.0.1:6379', 'hand the runs out, and collect the results'],
    ['rhm sweep submit grid.yaml --detach', 'hand them out only; the queue is that of RHM_QUEUE'],
  ],
  'sweep work': [
    ['rhm sweep work --workers 2 --shared /nfs/work', 'train what is in the queue of RHM_QUEUE'],
    ['rhm sweep work --queue redis://host:6379 --idle-seconds 60', 'and end when there is nothing to do'],
  ],
  'sweep slurm': [
    ['rhm sweep slurm grid.yaml --out /nfs/store --tasks 16 --gpus 1 --file job.sbatch', 'a job array of 16 tasks'],
    [
      'rhm sweep slurm grid.yaml --sbatch=--account=physics --run=--workers --run=4',
      'with options of sbatch and of the run',
    ],
  ],
  runs: [
    ['rhm runs out/sweep-grid', 'what a store holds, the latest first'],
    ['rhm runs out/sweep-grid --where model.width=64 state=done --sort loss --limit 10', 'the ten best of some'],
    ['rhm runs out --where "P_2 < 5000 && grammar.m > 2" --columns optimiser.rate', 'by what they have learnt'],
  ],
  show: [
    ['rhm show out/run', 'a run by its folder'],
    ['rhm show 309fe5b5 --store out/sweep-grid', 'by the beginning of its hash'],
  ],
  compare: [
    ['rhm compare out/a out/b', 'what differs, and both curves'],
    ['rhm compare 309fe5b5 ccd2d332 --store out/sweep-grid --picture curves.png', 'the curves as a picture'],
  ],
  watch: [
    ['rhm watch out/sweep-grid', 'a running sweep, in a browser on this machine'],
    ['rhm watch grid.yaml --port 9000', 'with the runs that nobody has begun yet'],
  ],
  export: [
    ['rhm export out/run -o weights.safetensors', 'the best weights, as PyTorch loads them'],
    ['rhm export --tensorboard out/sweep-grid', 'event files for tensorboard --logdir'],
    ['rhm export --tensorboard out/sweep-grid --where model.width=64 -o logs', 'some of the runs'],
  ],
  denoise: [
    ['rhm denoise -v 32 -m 8 -L 6 --sentences 64', 'which levels change, by the rate of noise'],
    ['rhm denoise --run out/masked', 'by the exact posterior and by a trained network'],
  ],
  generate: [
    ['rhm generate out/clm --count 1000', 'sentences of a trained clm, and how many are grammatical'],
    ['rhm generate out/clm --temperature 0.5 --show 20', 'colder, twenty of them printed'],
    ['rhm generate out/masked --sweeps 4', 'of a network of masked tokens, a quarter of them a look'],
  ],
  analyze: [
    ['rhm analyze out/*', 'run folders against theory, as a page with figures'],
    ['rhm analyze out/sweep-grid --no-report --json', 'the numbers alone'],
  ],
  reproduce: [
    ['rhm reproduce', 'the small scale, in minutes'],
    ['rhm reproduce sharing --dry-run', 'the runs of one figure, listed'],
    ['rhm reproduce context classes powerLaw wiring', 'neighbouring papers, by request'],
    ['rhm reproduce masked probes denoising', 'masked tokens, read-outs of every hidden symbol, noise and sweeps'],
    ['rhm reproduce representation', 'invariance, read-out, separation and alignment of every layer, level by level'],
    ['rhm reproduce --scale paper --minutes 9', "the paper's sizes, in slices that continue each other"],
  ],
  recording: [
    ['rhm recording --dry-run', 'the runs that it holds'],
    ['rhm recording', "the page's recording anew, from what is trained by now; then npm run build"],
  ],
  models: [['rhm models', 'what there is to train']],
  tasks: [['rhm tasks', 'what there is to learn']],
  optimisers: [['rhm optimisers --json', 'for programs']],
  measures: [['rhm measures', 'for --set measures=readout,probes']],
  schema: [
    ['rhm schema > experiment.schema.json', 'for editors: "$schema": "./experiment.schema.json"'],
    ['rhm schema grid > grid.schema.json', 'of grid files'],
  ],
  serve: [
    ['rhm serve', 'the page on http://127.0.0.1:8137/'],
    ['rhm serve --origins https://example.org', 'the same, for the elements in a page of that site'],
    ['rhm serve --dir report --port 0', 'a report of rhm analyze, on a free port'],
  ],
  verify: [['rhm verify test/data/golden/*.safetensors --json', 'cases of the PyTorch code, replayed here']],
  bench: [
    ['rhm bench train --cases hcnn-v16', 'how fast a training step is here'],
    ['rhm bench kernels', 'every operation'],
  ],
  'bench kernels': [['rhm bench kernels --json', 'GFLOP/s and GB/s of every operation']],
  'bench train': [['rhm bench train --cases hcnn-v16,mla-v16', 'microseconds a step']],
  'bench growth': [['rhm bench growth', 'against width, batch, replicas and threads']],
  'bench measures': [['rhm bench measures', 'what looking costs']],
  'bench sampler': [['rhm bench sampler', 'million tokens per second']],
  'bench inference': [['rhm bench inference', 'sentences per second on one thread']],
  tune: [
    ['rhm tune experiment.yaml', 'find the fastest tiles for it on this adapter'],
    ['rhm tune --cases hcnn-v16 --batches 128', 'for a case of the benchmark'],
  ],
  completion: [
    ['source <(rhm completion bash)', 'in this bash; for good: the line in ~/.bashrc'],
    ['rhm completion zsh > ~/.zsh/completions/_rhm', 'where fpath has that folder'],
    ['rhm completion fish > ~/.config/fish/completions/rhm.fish', 'for fish'],
  ],
};

/** The end of a command's help. */
export function examplesText(command: string): string {
  const lines = examples[command] ?? [];
  return lines.length ? `\nExamples:\n${lines.map(([line, what]) => `  # ${what}\n  ${line}`).join('\n')}` : '';
}
