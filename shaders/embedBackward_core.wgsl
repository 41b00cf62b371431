// Shared by the gradients of the embedding on Values: sizes, strides and buffers. Value is defined before this text.
// Overrides, because a division by a number known to the compiler takes a tenth of the time.
override PER_SENTENCE: u32; // windows of a sentence that belong to one filter: all, or 1 if each has its own
override WHITENED = false;
override RELU = false;

