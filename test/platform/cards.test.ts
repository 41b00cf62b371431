/** Which cards a machine has, from copies of Linux's files; which of them are used; and reasons not to use a card. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/core/errors.js';
import { wrongCard } from '../../src/platform/cards/choose.js';
import { type Card, deviceOf, listCards } from '../../src/platform/cards/list.js';
import { listText, parseAsked, wantedCards } from '../../src/platform/cards/plan.js';
import { failure } from '../support/gpu.js';

const test = suite('cards of a machine');
let root = '';
test.before.each(() => {
  root = mkdtempSync(join(tmpdir(), 'rhm-cards-'));
});
test.after.each(() => rmSync(root, { recursive: true, force: true }));

function put(path: string, text = ''): string {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

function putNvidia(pci: string, minor: number, name: string, uuid: string): void {
  put(
    `proc/driver/nvidia/gpus/${pci}/information`,
    `Model: \t\t ${name}\nIRQ:   \t\t 66\nGPU UUID: \t ${uuid}\nBus Type: \t PCIe\nDevice Minor: \t ${minor}\n`,
  );
}

/** A card of the kernel's graphics drivers: its folder below sys/devices, and the link by which it is found. */
function putDrm(pci: string, render: string, screen: string | undefined, vendor: string, device: string): void {
  const folder = `sys/devices/pci0000:00/${pci}`;
  put(`${folder}/vendor`, `${vendor}\n`);
  put(`${folder}/device`, `${device}\n`);
  for (const name of [render, screen]) if (name) put(`${folder}/drm/${name}/uevent`);
  mkdirSync(join(root, 'sys/class/drm', render), { recursive: true });
  symlinkSync(join(root, folder), join(root, 'sys/class/drm', render, 'device'));
}

test('NVIDIA cards in the order of nvidia-smi, by PCI address; the number of the device file is another', () => {
  putNvidia('0000:3b:00.0', 0, 'NVIDIA H200', 'GPU-bbbb');
  putNvidia('0000:1b:00.0', 1, 'NVIDIA H200', 'GPU-aaaa');
  for (const file of ['nvidia0', 'nvidia1', 'nvidiactl', 'nvidia-uvm']) put(`dev/${file}`);
  const cards = listCards({}, root);
  assert.equal(
    cards.map(({ index, pci, uuid, files }) => [index, pci, uuid, files]),
    [
      [0, '0000:1b:00.0', 'GPU-aaaa', [join(root, 'dev/nvidia1')]],
      [1, '0000:3b:00.0', 'GPU-bbbb', [join(root, 'dev/nvidia0')]],
    ],
  );
  assert.is(cards[0].devices[0], deviceOf(statSync(join(root, 'dev/nvidia1'))));
});

test('a card without its device file is not there: containers and batch systems keep it away', () => {
  putNvidia('0000:1b:00.0', 0, 'NVIDIA H200', 'GPU-aaaa');
  putNvidia('0000:3b:00.0', 1, 'NVIDIA H200', 'GPU-bbbb');
  put('dev/nvidia1');
  assert.equal(
    listCards({}, root).map(({ index, pci }) => [index, pci]),
    [[0, '0000:3b:00.0']],
  );
});

test('AMD and Intel cards by the files of the kernel’s drivers; an NVIDIA card is not counted twice', () => {
  putNvidia('0000:3b:00.0', 0, 'NVIDIA RTX A2000', 'GPU-cccc');
  putDrm('0000:3b:00.0', 'renderD130', undefined, '0x10de', '0x2531');
  putDrm('0000:00:02.0', 'renderD128', 'card0', '0x8086', '0x46a6');
  putDrm('0000:c1:00.0', 'renderD129', 'card1', '0x1002', '0x74a1');
  for (const file of ['nvidia0', 'dri/renderD128', 'dri/card0', 'dri/renderD129', 'dri/renderD130']) put(`dev/${file}`);
  assert.equal(
    listCards({}, root).map(({ name, pci, files }) => [name, pci, files.map((file) => file.slice(root.length))]),
    [
      ['NVIDIA RTX A2000', '0000:3b:00.0', ['/dev/nvidia0']],
      ['Intel 0x46a6', '0000:00:02.0', ['/dev/dri/renderD128', '/dev/dri/card0']],
      ['AMD 0x74a1', '0000:c1:00.0', ['/dev/dri/renderD129']],
    ],
  );
});

test('if /proc says nothing, nvidia-smi is used', () => {
  for (const file of ['nvidia0', 'nvidia1', 'nvidiactl']) put(`dev/${file}`);
  const told = (bus: string, minor: number) =>
    `\nGPU 0000${bus}\n    Product Name                          : NVIDIA H100 80GB HBM3\n    GPU UUID                              : GPU-${minor}${minor}${minor}\n    Minor Number                          : ${minor}\n`;
  const text = `\n==============NVSMI LOG==============\n\nAttached GPUs : 2\n${told('0000:8B:00.0', 0)}${told('0000:1B:00.0', 1)}`;
  const program = put('bin/nvidia-smi', `#!/bin/sh\n[ "$1" = -q ] && cat <<'END'\n${text}END\n`);
  chmodSync(program, 0o755);
  const before = process.env.PATH;
  process.env.PATH = [dirname(program), before].join(delimiter);
  try {
    assert.equal(
      listCards({}, root).map(({ name, pci, uuid, files }) => [name, pci, uuid, files[0].slice(root.length)]),
      [
        ['NVIDIA H100 80GB HBM3', '0000:1b:00.0', 'GPU-111', '/dev/nvidia1'],
        ['NVIDIA H100 80GB HBM3', '0000:8b:00.0', 'GPU-000', '/dev/nvidia0'],
      ],
    );
  } finally {
    process.env.PATH = before;
  }
});

test('a machine without cards', () => assert.equal(listCards({}, root), []));

const card = (index: number, name = 'NVIDIA H200'): Card => ({
  index,
  name,
  pci: `0000:${index}b:00.0`,
  uuid: `GPU-${index}${index}${index}${index}-0`,
  files: [`/dev/nvidia${index}`],
  devices: [`device ${index}`],
});
const four = [0, 1, 2, 3].map((index) => card(index));
const indices = (cards: readonly Card[]) => cards.map(({ index }) => index);

test('--gpus: all, so many, these; one alone has a comma', () => {
  const wanted = (text: string) => indices(wantedCards(parseAsked(text), four, {}));
  assert.equal(wanted('all'), [0, 1, 2, 3]);
  assert.equal(wanted('2'), [0, 1]);
  assert.equal(wanted('3,0'), [3, 0]);
  assert.equal(wanted('2,'), [2]);
  for (const text of ['', 'x', '1-2', ',', '0,,2', '-1', '1.5', '0 2']) assert.is(parseAsked(text), undefined, text);
});

test('--gpus: cards that are not there, with those that are', async () => {
  const refused = async (text: string, cards = four) => {
    const error = await failure(() => wantedCards(parseAsked(text), cards, {}));
    assert.instance(error, InputError);
    return error.message;
  };
  assert.match(await refused('5'), /--gpus 5: .*there are 4 cards: 0 to 3 \(NVIDIA H200\); pass a number from 1 to 4/);
  assert.match(await refused('0'), /pass a number from 1 to 4/);
  assert.match(await refused('0,4'), /--gpus 0,4: there is no card 4; there are 4 cards/);
  assert.match(await refused('1,1'), /names card 1 twice/);
  assert.match(await refused('all', []), /this machine has no graphics card that this process may open/);
});

test('without a request: cards of the first card’s kind, among these the ones in CUDA_VISIBLE_DEVICES', () => {
  const mixed = [...four.slice(0, 2), card(2, 'AMD 0x74a1')];
  const used = (cards: readonly Card[], variable?: string) =>
    indices(wantedCards(undefined, cards, { CUDA_VISIBLE_DEVICES: variable }));
  assert.equal(used(mixed), [0, 1]);
  assert.equal(used(four), [0, 1, 2, 3]);
  assert.equal(used(four, '2'), [2]);
  assert.equal(used(four, '1,3'), [1, 3]);
  assert.equal(used(four, 'GPU-3333'), [3]);
  assert.equal(used(four, 'NoDevFiles'), [0], 'a job without cards takes no more than one');
  assert.equal(used(four, ''), [0]);
  assert.match(listText(mixed), /^there are 3 cards: 0 and 1 \(NVIDIA H200\), 2 \(AMD 0x74a1\)$/);
});

test('the check of a card: by the files that are open, else by those within reach', () => {
  assert.is(wrongCard(four[1], { open: [1], visible: [1] }), undefined);
  assert.is(wrongCard(four[1], { open: [], visible: [1] }), undefined);
  assert.match(wrongCard(four[1], { open: [0], visible: [0, 1] })!, /opened card 0/);
  assert.match(wrongCard(four[1], { open: [0, 1], visible: [0, 1] })!, /opened card 0/);
  assert.match(wrongCard(four[1], { open: [], visible: [0, 1, 2, 3] })!, /has not opened/);
  assert.match(wrongCard(four[1], { open: [], visible: [] })!, /has not opened/);
  assert.match(wrongCard(four[1], undefined)!, /does not tell/);
});

test.run();
