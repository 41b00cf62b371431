/** The end of every --help: command lines to copy, by the command's name. */
export type Example = readonly [line: string, what: string];

export const examples: Readonly<Record<string, readonly Example[]>> = {
  '': [
    ['rhm train --set model=hcnn model.width=64 budget.steps=4096 --out out/run', 'a first network, in half a minute'],
    ['rhm show out/run', 'its loss curve beside the exact plateaus'],
    ['rhm reproduce', "the paper's figures in minutes"],
    ['rhm serve', 'the page'],
  ],
  doctor: [
    ['rhm doctor', 'check the adapter and every kernel'],
    ['rhm doctor --adapter swiftshader --json', 'check one adapter, with JSON output'],
  ],
  rules: [
    ['rhm rules -v 16 -m 4 -L 4 --seed 1 > rules.json', 'a grammar of 16 symbols, 4 synonyms, depth 4'],
    ['rhm rules --rules rules.json', 'check a grammar from a file'],
  ],
  sample: [
    ['rhm sample --rules rules.json --count 10 --format text', 'ten sentences'],
    ['rhm sample -v 8 -m 2 -L 3 --count 1000000 --format npy -o tokens.npy', 'a million, for NumPy'],
    ['rhm sample -v 8 -m 2 -L 3 --count 5 --start 1000 --tree', 'sentences 1000 to 1004 with their derivations'],
    ['rhm sample -v 8 -m 4 -L 3 --holdout 2:0.25 --language with --count 10', 'ten sentences with held-out pairs'],
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
    ['rhm infer --rules rules.json --tokens tokens.npy --noise 0.2', 'posteriors when a fifth of the tokens are noise'],
  ],
  correlations: [
    ['rhm correlations -v 16 -m 4 -L 3 --count 65536', 'correlations beside the noise floor'],
    ['rhm correlations --rules rules.json --level 1', 'correlations with the hidden symbols of level 1'],
  ],
  cluster: [
    ['rhm cluster -v 16 -m 4 -L 4 --instances 4', 'sample complexity of clustering, over four grammars'],
    ['rhm cluster --rules rules.json --levels 2,3 --json', 'levels 2 and 3 of one grammar'],
  ],
  tree: [
    ['rhm tree -v 16 -m 4 -L 4 --shuffle 7', 'recover the tree of shuffled positions'],
    ['rhm tree --tokens sentences.npy -s 2 --json', 'recover the tree of an unknown grammar'],
  ],
  holdout: [
    ['rhm holdout -v 8 -m 3 -L 3 --holdout 3:0.34', 'sizes of both languages, and what exact predictors make of them'],
    ['rhm holdout --rules rules.json --holdout 2:0.25 --json', 'pairs just above the tokens, with JSON output'],
  ],
  train: [
    [
      'rhm train --set model=hcnn grammar.m=4 model.width=64 --out out/run',
      'train a network, with settings on the command line',
    ],
    ['rhm train experiment.yaml --dry-run', 'check a file: hash, steps, parameters, memory; nothing is written'],
    ['rhm train --out out/run --resume', 'continue a stopped run'],
    [
      'rhm train --from out/run --set optimiser.rate=0.1 budget.steps=200000 --out out/slower',
      'continue with other settings, as a new run',
    ],
    ['rhm train --set model=mla --json | jq -c \'select(.type == "eval") | [.step, .loss]\'', 'stream the records'],
    ['cat experiment.json | rhm train - --set seed=3', 'read the experiment from standard input'],
  ],
  predict: [
    [
      'rhm sample --experiment out/run/experiment.json --split test --count 100 | rhm predict out/run --tokens -',
      'predicted tokens and logits',
    ],
    ['rhm predict out/run --tokens tokens.npy --format npy -o logits.npy', 'logits for NumPy'],
    [
      'rhm predict out/run --tokens tokens.npy --hidden --format safetensors -o all.safetensors',
      'logits and hidden layers',
    ],
  ],
  python: [['rhm python', 'the path of rhm.py, to copy beside a notebook']],
  sweep: [
    ['rhm sweep plan grid.yaml', 'number and cost of the runs of a grid'],
    ['rhm sweep run grid.yaml --workers 2', 'train it; the same command continues'],
    ['rhm sweep status grid.yaml', 'progress of the grid'],
  ],
  'sweep plan': [
    ['rhm sweep plan grid.yaml', 'runs, groups, FLOPs, bytes, and time from a short calibration'],
    ['rhm sweep plan grid.yaml --no-calibrate --all', 'list every run, without calibration'],
  ],
  'sweep run': [
    ['rhm sweep run grid.yaml --workers 2', 'train with two worker processes'],
    [
      'rhm sweep run grid.yaml --shard 0/4 --out /nfs/store',
      'train the first quarter of the grid, into a shared store',
    ],
    ['rhm sweep run grid.yaml --retry-failed --json', 'train failed runs again, with JSON lines as output'],
  ],
  'sweep status': [
    ['rhm sweep status grid.yaml', 'done, running, failed, waiting'],
    ['rhm sweep status out/sweep-grid --check', 'read every record and correct the index'],
  ],
  'sweep predict': [
    ['rhm sweep predict grid.yaml --store out/sweep-others', 'P_ell and best losses before they are trained'],
    ['rhm sweep predict grid.yaml --suggest 4 --result power_2', 'what to train next for the power of m in P_2'],
  ],
  'sweep export': [
    ['rhm sweep export out/sweep-grid', 'Parquet and CSV, for pandas, DuckDB, R'],
    ['rhm sweep export grid.yaml --format parquet --to tables', "only that grid's runs"],
  ],
  'sweep submit': [
    ['rhm sweep submit grid.yaml --queue redis://127.0.0.1:6379', 'queue the runs and collect the results'],
    ['rhm sweep submit grid.yaml --detach', 'only queue the runs, on the server of RHM_QUEUE'],
  ],
  'sweep work': [
    ['rhm sweep work --workers 2 --shared /nfs/work', 'train runs from the queue of RHM_QUEUE'],
    ['rhm sweep work --queue redis://host:6379 --idle-seconds 60', 'exit after a minute without work'],
  ],
  'sweep slurm': [
    ['rhm sweep slurm grid.yaml --out /nfs/store --tasks 16 --gpus 1 --file job.sbatch', 'a job array of 16 tasks'],
    [
      'rhm sweep slurm grid.yaml --sbatch=--account=physics --run=--workers --run=4',
      'pass options to sbatch and to rhm sweep run',
    ],
  ],
  runs: [
    ['rhm runs out/sweep-grid', 'the runs of a store, latest first'],
    [
      'rhm runs out/sweep-grid --where model.width=64 state=done --sort bestLoss --limit 10',
      'the ten finished runs of width 64 with the lowest loss',
    ],
    ['rhm runs out/sweep-grid --csv > runs.csv', 'all runs for a spreadsheet: settings, losses, P_ell and plateaus'],
    [
      'rhm runs out --where "P_2 < 5000 && grammar.m > 2" --columns optimiser.rate',
      'runs that reached the second plateau early',
    ],
  ],
  show: [
    ['rhm show out/run', 'a run, by its folder'],
    ['rhm show 309fe5b5 --store out/sweep-grid', 'a run, by the first digits of its hash'],
  ],
  compare: [
    ['rhm compare out/a out/b', 'settings that differ, and both curves'],
    ['rhm compare 309fe5b5 ccd2d332 --store out/sweep-grid --picture curves.png', 'write the curves to a picture'],
  ],
  watch: [
    ['rhm watch out/sweep-grid', 'watch a running sweep in a browser'],
    ['rhm watch grid.yaml --port 9000', 'include runs that have not started'],
  ],
  export: [
    ['rhm export out/run -o weights.safetensors', 'the best weights, for PyTorch'],
    ['rhm export --tensorboard out/sweep-grid', 'event files of all runs for tensorboard --logdir'],
    ['rhm export --tensorboard out/sweep-grid --where model.width=64 -o logs', 'event files of some runs'],
  ],
  denoise: [
    ['rhm denoise -v 32 -m 8 -L 6 --sentences 64', 'fraction of changed symbols by level and noise rate'],
    ['rhm denoise --run out/masked', 'the same with a trained network beside the exact posterior'],
  ],
  generate: [
    ['rhm generate out/clm --count 1000', 'sentences of a trained clm, and the fraction that is grammatical'],
    ['rhm generate out/clm --temperature 0.5 --show 20', 'lower temperature, twenty sentences printed'],
    ['rhm generate out/masked --sweeps 4', 'a network of masked tokens, in four passes'],
  ],
  analyze: [
    ['rhm analyze out/*', 'compare runs with theory, in a report with figures'],
    ['rhm analyze out/sweep-grid --no-report --json', 'print the numbers without a report'],
  ],
  reproduce: [
    ['rhm reproduce', 'the figures of the paper at a small scale, in minutes'],
    ['rhm reproduce sharing --dry-run', 'list the runs of one figure'],
    ['rhm reproduce context classes powerLaw wiring holdout', 'figures of neighbouring papers'],
    ['rhm reproduce masked probes denoising', 'masked tokens, linear probes, denoising'],
    ['rhm reproduce representation', 'invariance, read-out, separation and alignment of every layer, level by level'],
    ['rhm reproduce parse', 'every hidden symbol as a label, with the logic of the grammar, and decoded consistently'],
    ['rhm reproduce --scale paper --minutes 9', "the paper's sizes, in slices of nine minutes"],
  ],
  recording: [
    ['rhm recording --dry-run', 'list the runs of the recording'],
    ['rhm recording', "make the page's recording; npm run build then includes it"],
  ],
  models: [['rhm models', 'list the models']],
  tasks: [['rhm tasks', 'list the tasks']],
  optimisers: [['rhm optimisers --json', 'list the optimisers as JSON']],
  measures: [['rhm measures', 'names for --set measures=readout,probes']],
  fields: [
    ['rhm fields', 'every field of an experiment'],
    ['rhm fields budget patience', 'the fields of a section, or with a word in their names'],
    ['rhm fields --yaml --model mla > experiment.yaml', 'a file with every field of a transformer, to edit and train'],
  ],
  schema: [
    ['rhm schema > experiment.schema.json', 'for editors, with "$schema": "./experiment.schema.json" in the file'],
    ['rhm schema grid > grid.schema.json', 'the schema of grid files'],
  ],
  serve: [
    ['rhm serve', 'the page on http://127.0.0.1:8137/'],
    ['rhm serve --origins https://example.org', 'let that site use the elements'],
    ['rhm serve --dir report --port 0', 'serve a report on a free port'],
  ],
  verify: [['rhm verify test/data/golden/*.safetensors --json', 'replay the cases of the repository']],
  bench: [
    ['rhm bench train --cases hcnn-v16', 'time of a training step'],
    ['rhm bench kernels', 'time of every operation'],
  ],
  'bench kernels': [['rhm bench kernels --json', 'GFLOP/s and GB/s of every operation']],
  'bench train': [['rhm bench train --cases hcnn-v16,mla-v16', 'microseconds per step']],
  'bench growth': [['rhm bench growth', 'time of a step against width, batch, replicas and threads']],
  'bench measures': [['rhm bench measures', 'cost of evaluation and measures']],
  'bench sampler': [['rhm bench sampler', 'million tokens per second']],
  'bench inference': [['rhm bench inference', 'sentences per second on one thread']],
  tune: [
    ['rhm tune experiment.yaml', 'tune the tiles for an experiment'],
    ['rhm tune --cases hcnn-v16 --batches 128', 'tune the tiles for a case of the benchmark'],
  ],
  completion: [
    ['source <(rhm completion bash)', 'for this shell; add the line to ~/.bashrc to keep it'],
    ['rhm completion zsh > ~/.zsh/completions/_rhm', 'for zsh, if fpath contains that folder'],
    ['rhm completion fish > ~/.config/fish/completions/rhm.fish', 'for fish'],
  ],
};

/** The end of a command's help. */
export function examplesText(command: string): string {
  const lines = examples[command] ?? [];
  return lines.length ? `\nExamples:\n${lines.map(([line, what]) => `  # ${what}\n  ${line}`).join('\n')}` : '';
}
