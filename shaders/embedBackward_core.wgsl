// What the gradients of the embedding on Values share: sizes, strides and buffers. Value is put in front of this text.
// Overrides, because a division by a number known to the compiler costs a tenth of the other.
override PER_SENTENCE: u32; // windows of a sentence that belong to one filter: all, or 1 where each has its own
override WHITENED = false;
override RELU = false;

