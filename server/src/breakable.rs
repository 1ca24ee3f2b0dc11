//! `anshin` with what the tests of its promises need in it: kill points, faults, mutants. Never
//! released.

mod cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::main()
}
