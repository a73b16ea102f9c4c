//! The fuzz targets' corpus as an ordinary test, for toolchains without a fuzzer.
