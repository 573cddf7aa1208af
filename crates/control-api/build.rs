//! Compiles the protocol definitions with a compiler written in Rust: no `protoc` is needed on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "proto/basalt/gateway/v1/gateway.proto",
        "proto/basalt/orchestrator/v1/orchestrator.proto",
        "proto/basalt/federation/v1/federation.proto",
    ];
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile(files, ["proto"])?;
    // Nothing that carries a key or a token is ever printed: these have a `Debug` by hand.
    let secret = [
        ".basalt.orchestrator.v1.Put",
        ".basalt.orchestrator.v1.EnrolRequest",
        ".basalt.federation.v1.Vector",
        ".basalt.federation.v1.JoinRequest",
    ];
    let generated = tonic_prost_build::configure().build_transport(false).skip_debug(secret);
    generated.codec_path("crate::codec::SmallCodec").compile_fds(descriptors)?;
    Ok(())
}
