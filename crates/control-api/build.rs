//! Compiles the protocol definitions with a compiler written in Rust: no `protoc` is needed on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = "proto/basalt/gateway/v1/gateway.proto";
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile([file], ["proto"])?;
    tonic_prost_build::configure().build_transport(false).compile_fds(descriptors)?;
    Ok(())
}
