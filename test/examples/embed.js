// What a page can hear of the elements, and say to them.
const heard = document.querySelector('#heard');
document.addEventListener('rhm-change', ({ target, detail }) => {
  heard.textContent = `${target.id}: ${detail.kind} at level ${detail.level}, ${detail.tokens.length} tokens changed`;
});
document.querySelector('#curve').addEventListener('rhm-state', ({ target, detail }) => {
  if (detail.state === 'done')
    heard.textContent = `network ${detail.network} is done after ${target.records[detail.network].length} records`;
});
