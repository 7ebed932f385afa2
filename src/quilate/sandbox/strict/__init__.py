"""QuickJS in WebAssembly with fuel: the strict engine (A06)."""
