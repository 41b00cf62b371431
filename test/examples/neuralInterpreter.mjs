/**
 * Neural Interpreters (Rahaman et al., arXiv:2110.06399) for the last token: a network of functions that share their weights. A
 * function consists of a signature, which determines the inputs it takes, and a code, which determines what it does with them.
 * Every token has a type; it is routed to the functions with nearby signatures, weighted by a softmax of the cosines. A line of
 * code is attention and an MLP whose inputs are multiplied by a vector made from the code; a function is several lines, a script
 * several rounds of functions.
 *
 *     rhm train --models neuralInterpreter.mjs --set model=interpreter grammar.v=8 grammar.m=2 grammar.L=3 ...
 *
 * The module needs no import: all layers are methods of `net`, and gradients follow from the calls.
 */
export const interpreter = {
  kind: 'interpreter',
  title: 'neural interpreter',
  about: 'functions of shared weights, to which tokens are routed by their type',
  tasks: ['last', 'class'],
  optimiser: { kind: 'adamw', rate: 0.003 },
  options: {
    channels: { type: 'integer', default: 32, min: 4, max: 1024, about: 'C, of a token; a multiple of 4' },
    heads: { type: 'integer', default: 4, min: 1, max: 64, about: 'H' },
    functions: { type: 'integer', default: 3, min: 1, max: 64, about: 'F' },
    signature: { type: 'integer', default: 12, min: 2, max: 256, about: 'dimensions of types and signatures' },
    code: { type: 'integer', default: 16, min: 2, max: 512, about: 'dimensions of a code' },
    iterations: { type: 'integer', default: 2, min: 1, max: 16, about: 'rounds of function calls' },
    lines: { type: 'integer', default: 1, min: 1, max: 8, about: 'lines of code a function' },
    sharpness: { type: 'number', default: 4, min: 0.1, max: 100, about: 'of the routing, 1 / temperature' },
  },

  forward(net, o) {
    const { v, length, classes, task } = net.shape;
    const { channels: C, functions: F } = o;
    const position = net.matrix('position', length, C);
    const masked = task === 'last' ? length - 1 : -1;
    const token = net.matrix('token', v, C);
    let x = net.embed('embedding', token, C, { length, whitened: true, masked, scale: v ** -0.5, position });
    const signatures = net.norm('signature norm', net.matrix('signatures', F, o.signature), 'rms');
    const hidden = [];
    for (let i = 0; i < o.iterations; i++) {
      const routing = route(net, `round ${i}`, x, signatures, o);
      let sum;
      for (let f = 0; f < F; f++) {
        const y = net.multiply(
          `round ${i}, function ${f} weighted`,
          call(net, x, net.matrix(`code ${f}`, 1, o.code), o),
          routing,
          f,
        );
        sum = sum ? net.add(`round ${i}, functions 0 to ${f}`, sum, y) : y;
      }
      x = net.add(`round ${i}`, x, sum);
      hidden.push({ name: `round ${i}`, activation: x, positions: length, units: C });
    }
    x = net.norm('last norm', x, 'rms');
    const readout = net.matrix('readout', classes, C);
    return {
      logits: net.product('readout', x, readout, classes, { form: 'NT', scale: C ** -0.5, last: true }),
      hidden,
    };
  },
};

/** The weight of every function for every token, [B, T, F]: softmax of sharpness * cosine of type and signature. */
function route(net, name, x, signatures, { channels: C, signature: S, functions: F, sharpness }) {
  const wide = net.linear('type.0', net.norm('type norm', x, 'rms'), 2 * S, { scale: C ** -0.5, relu: true });
  const type = net.norm('type.2', net.linear('type.1', wide, S, { scale: (2 * S) ** -0.5 }), 'rms');
  // Rows of root mean square 1: the product over S is the cosine.
  const scores = net.product(`${name} scores`, type, signatures, F, { form: 'NT', scale: sharpness / S });
  return net.softmax(`${name} routing`, scores);
}

/** A function of x, [B, T, C]: lines of attention and MLP, all conditioned on its code [1, K]. */
function call(net, x, code, { channels: C, heads, lines, code: K }) {
  for (let l = 0; l < lines; l++) {
    const line = `line ${l}`;
    /** A linear layer of the inputs modulated by the code: W (y * modulation of the code). */
    const modulated = (part, y, units, more = {}) => {
      const width = y.shape[y.shape.length - 1];
      const raw = net.linear(`${line} ${part} code`, code, width, { scale: K ** -0.5 });
      const factors = net.norm(`${line} ${part} modulation`, raw, 'rms');
      const input = net.multiply(`${line} ${part} input`, y, factors);
      return net.linear(`${line} ${part}`, input, units, { scale: width ** -0.5, ...more });
    };
    const mixed = net.attention(line, net.norm(`${line} norm 1`, x, 'rms'), { heads, disk: line });
    x = modulated('projection', mixed, C, { residual: x });
    const expanded = modulated('expand', net.norm(`${line} norm 2`, x, 'rms'), 2 * C, { relu: true });
    x = modulated('contract', expanded, C, { residual: x });
  }
  return x;
}
