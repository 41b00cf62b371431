// What the kernels of the first layer on tokens share: sizes, strides and buffers. Value is put in front of this text.
// Overrides, because a division by a number known to the compiler costs a tenth of the other.
override PER_SENTENCE: u32; // windows of a sentence that one row of the grid walks over: all, or 1 where each has its filter
override WHITENED = false;
override RELU = false;
override POSITION_INSIDE = false; // the position's vector is added before scaling

