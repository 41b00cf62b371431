// Shared by the kernels of the first layer on tokens: sizes, strides and buffers. Value is defined before this text.
// Overrides, because a division by a number known to the compiler takes a tenth of the time.
override PER_SENTENCE: u32; // windows of a sentence that one row of the grid processes: all, or 1 if each has its own filter
override WHITENED = false;
override RELU = false;
override POSITION_INSIDE = false; // the position's vector is added before scaling

