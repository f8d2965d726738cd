//! `drydock firmware build`: the firmware for a real chip, as files that can be flashed.
//!
//! Compiling is cargo's work, in the workspace `mcu-firmware/boards`; here it is chosen with which compiler and linker,
//! and the ELF becomes a plain image, a UF2, a report of sizes, and a `firmware.json` for `drydock deploy`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use clap::{Args, Subcommand, ValueEnum};
use object::elf::PT_LOAD;
use object::read::elf::{ElfFile32, ProgramHeader};
use object::{Endianness, Object, ObjectSymbol};
use serde_json::{Value, json};

use crate::run::CliResult;
use crate::term::say;

type Failure = Box<dyn Error>;

#[derive(Args)]
pub struct FirmwareArgs {
    #[command(subcommand)]
    command: FirmwareCommand,
}

#[derive(Subcommand)]
enum FirmwareCommand {
    /// Compile the firmware for a chip and write what can be flashed.
    Build(BuildArgs),
}

#[derive(Args)]
struct BuildArgs {
    #[arg(long)]
    board: Board,
    /// Which of the board's chips [default: stm32f407, rp2040].
    #[arg(long)]
    chip: Option<String>,
    /// Where the host is connected: usart1 or usb, on rp2040 uart0 or usb.
    #[arg(long, default_value = "usb")]
    serial: String,
    /// Flash that a bootloader keeps for itself.
    #[arg(long, default_value = "0")]
    offset: Offset,
    /// The board's crystal, in MHz (stm32f4) [default: 8].
    #[arg(long, value_parser = clap::value_parser!(u32).range(4..=26))]
    crystal: Option<u32>,
    /// Folder for the files.
    #[arg(long, default_value = "out/firmware")]
    out: PathBuf,
    /// The variant that QEMU's netduinoplus2 runs; no chip does (stm32f4).
    #[arg(long)]
    qemu: bool,
    /// Print firmware.json too.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Board {
    Stm32f4,
    Rp2040,
}

#[derive(Clone, Copy, ValueEnum)]
enum Offset {
    #[value(name = "0")]
    None,
    #[value(name = "8k")]
    K8,
    #[value(name = "16k")]
    K16,
    #[value(name = "32k")]
    K32,
    #[value(name = "64k")]
    K64,
}

impl Offset {
    fn kib(self) -> u32 {
        match self {
            Self::None => 0,
            Self::K8 => 8,
            Self::K16 => 16,
            Self::K32 => 32,
            Self::K64 => 64,
        }
    }
}

/// What is the same for every build of one board.
struct Family {
    name: &'static str,
    target: &'static str,
    cpu: &'static str,
    chips: &'static [&'static str],
    serials: &'static [&'static str],
    /// Chip of an STM32F407 board, where none is named.
    default_chip: &'static str,
    uf2_family: Option<u32>,
}

impl Board {
    fn family(self) -> Family {
        match self {
            Self::Stm32f4 => Family {
                name: "stm32f4",
                target: "thumbv7em-none-eabihf",
                cpu: "cortex-m4",
                chips: &["stm32f401", "stm32f405", "stm32f407", "stm32f446"],
                serials: &["usart1", "usb"],
                default_chip: "stm32f407",
                uf2_family: None,
            },
            Self::Rp2040 => Family {
                name: "rp2040",
                target: "thumbv6m-none-eabi",
                cpu: "cortex-m0plus",
                chips: &["rp2040"],
                serials: &["uart0", "usb"],
                default_chip: "rp2040",
                uf2_family: Some(0xe48b_ff56),
            },
        }
    }
}

pub fn firmware(args: FirmwareArgs) -> CliResult {
    match args.command {
        FirmwareCommand::Build(args) => build(&args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn build(args: &BuildArgs) -> Result<(), Failure> {
    let family = args.board.family();
    let chip = args.chip.as_deref().unwrap_or(family.default_chip);
    one_of("chip", chip, family.chips)?;
    one_of("serial port", &args.serial, family.serials)?;
    if args.board == Board::Rp2040 && args.offset.kib() != 0 {
        return Err("an RP2040 has its bootloader in ROM: no --offset there".into());
    }
    if args.board == Board::Rp2040 && args.crystal.is_some() {
        return Err("the crystal of an RP2040 has 12 MHz: no --crystal there".into());
    }
    if args.board == Board::Rp2040 && args.qemu {
        return Err("QEMU's netduinoplus2 is an STM32F4: --qemu goes with --board stm32f4".into());
    }
    let compiled = compile(args, &family, chip)?;

    let elf = std::fs::read(&compiled.elf)?;
    let image = Image::of_elf(&elf)?;
    std::fs::create_dir_all(&args.out)?;
    let emulator = if args.qemu { "-qemu" } else { "" };
    let name = format!("drydock-{chip}-{}{emulator}", args.serial);
    let mut files = serde_json::Map::new();
    let mut write = |extension: &str, bytes: &[u8]| -> Result<(), Failure> {
        let file = format!("{name}.{extension}");
        std::fs::write(args.out.join(&file), bytes)?;
        files.insert(extension.into(), file.into());
        Ok(())
    };
    write("elf", &elf)?;
    write("bin", &image.bytes)?;
    if let Some(family) = family.uf2_family {
        write("uf2", &uf2(image.base, family, &image.bytes))?;
    }
    let Sizes { text, data, bss, stack, heap } = image.sizes;
    let about = json!({
        "board": family.name,
        "chip": chip,
        "serial": args.serial,
        "offset": args.offset.kib() * 1024,
        "version": format!("drydock-{}-{}", compiled.package_version, compiled.source_hash),
        "source_hash": compiled.source_hash,
        "flash_base": image.base,
        "emulator": args.qemu.then_some("netduinoplus2"),
        "files": files,
        "sizes": { "text": text, "data": data, "bss": bss, "stack": stack, "heap": heap },
    });
    let text_of = serde_json::to_string_pretty(&about)?;
    std::fs::write(args.out.join("firmware.json"), format!("{text_of}\n"))?;
    if args.json {
        say!("{text_of}");
        return Ok(());
    }
    say!("{} for {chip}, {} ({})", about["version"].as_str().unwrap_or_default(), args.serial, compiled.way);
    say!("flash  {:>7} bytes at {:#010x} (text {text}, data {data})", image.bytes.len(), image.base);
    say!("RAM    {:>7} bytes of statics (data {data}, bss {bss}), stack {stack}, heap {heap}", data + bss);
    for file in about["files"].as_object().into_iter().flat_map(|files| files.values()) {
        say!("{}", args.out.join(file.as_str().unwrap_or_default()).display());
    }
    say!("{}", args.out.join("firmware.json").display());
    Ok(())
}

fn one_of(what: &str, chosen: &str, choices: &[&str]) -> Result<(), Failure> {
    if choices.contains(&chosen) {
        return Ok(());
    }
    Err(format!("no {what} {chosen} on this board; there is: {}", choices.join(", ")).into())
}

/// The compiler, the linker, and what cargo is told of them.
struct Toolchain {
    way: &'static str,
    rustc: Option<PathBuf>,
    linker: Option<PathBuf>,
    build_std: bool,
}

/// rustup's target where the user has it; else Debian's compiler, which can build the standard library itself.
fn toolchain(target: &str) -> Result<Toolchain, Failure> {
    let sysroot = sysroot(Path::new("rustc"));
    if sysroot.as_ref().is_some_and(|root| root.join("lib/rustlib").join(target).join("lib").is_dir()) {
        return Ok(Toolchain { way: "rustup's target", rustc: None, linker: None, build_std: false });
    }
    let add = format!("`rustup target add {target}`");
    let debian = PathBuf::from("/usr/bin/rustc");
    let sources = ["lib/rustlib/src/rust/library", "lib/rustlib/rustc-src/rust/library"];
    let has_sources = |root: PathBuf| sources.iter().any(|sources| root.join(sources).is_dir());
    if !self::sysroot(&debian).is_some_and(has_sources) {
        return Err(
            format!("no compiler for {target}: {add}, or on Debian `apt install rustc-web rust-web-src`").into()
        );
    }
    let on_path =
        std::env::var_os("PATH").into_iter().flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let gnu = on_path.map(|folder| folder.join("arm-none-eabi-ld")).find(|linker| linker.is_file());
    let host = format!("lib/rustlib/{}-unknown-linux-gnu/bin/rust-lld", std::env::consts::ARCH);
    let lld = sysroot.map(|root| root.join(host)).filter(|linker| linker.is_file());
    let Some(linker) = gnu.or(lld) else {
        return Err(format!("no linker for {target}: {add}, or on Debian `apt install binutils-arm-none-eabi`").into());
    };
    Ok(Toolchain { way: "Debian's compiler", rustc: Some(debian), linker: Some(linker), build_std: true })
}

fn sysroot(rustc: &Path) -> Option<PathBuf> {
    let output = Command::new(rustc).args(["--print", "sysroot"]).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

struct Compiled {
    elf: PathBuf,
    package_version: String,
    source_hash: String,
    way: &'static str,
}

fn compile(args: &BuildArgs, family: &Family, chip: &str) -> Result<Compiled, Failure> {
    let boards = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../mcu-firmware/boards");
    if !boards.is_dir() {
        return Err("the firmware's sources are not here: run this in a clone of the repository".into());
    }
    let tools = toolchain(family.target)?;
    let mut features = vec![args.serial.as_str()];
    if family.chips.len() > 1 {
        features.push(chip);
    }
    if args.qemu {
        features.push("qemu");
    }
    let mut flags = format!("-C link-arg=-Tlink.x -C target-cpu={}", family.cpu);
    if let Some(linker) = &tools.linker {
        let flavor = if linker.ends_with("rust-lld") { "gnu-lld" } else { "ld" };
        flags += &format!(" -C linker={} -C linker-flavor={flavor}", linker.display());
    }
    let mut cargo = Command::new("cargo");
    cargo.current_dir(boards).args(["build", "--release", "--target", family.target]);
    cargo.args(["--package", &format!("drydock-board-{}", family.name), "--features", &features.join(",")]);
    cargo.arg("--message-format=json-render-diagnostics");
    let upper = family.target.to_uppercase().replace('-', "_");
    cargo.env(format!("CARGO_TARGET_{upper}_RUSTFLAGS"), flags).env_remove("RUSTFLAGS");
    cargo.env("DRYDOCK_OFFSET_KIB", args.offset.kib().to_string());
    cargo.env("DRYDOCK_CRYSTAL_HZ", (args.crystal.unwrap_or(8) * 1_000_000).to_string());
    if let Some(rustc) = &tools.rustc {
        cargo.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1");
    }
    if tools.build_std {
        cargo.arg("-Zbuild-std=core,alloc");
    }
    let output = cargo.stderr(Stdio::inherit()).output().map_err(|error| format!("cargo: {error}"))?;
    if !output.status.success() {
        return Err("the firmware did not compile; cargo says why above".into());
    }
    from_messages(&String::from_utf8_lossy(&output.stdout), tools.way)
        .ok_or_else(|| "cargo built no program, or did not say of which sources".into())
}

/// What cargo tells of the build: where the program is, and the hash that the firmware's build script made.
fn from_messages(messages: &str, way: &'static str) -> Option<Compiled> {
    let messages: Vec<Value> = messages.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let elf = messages.iter().find_map(|message| message["executable"].as_str())?;
    messages.iter().find_map(|message| {
        let of =
            |pair: &Value| Some((pair[0].as_str()? == "DRYDOCK_SOURCE_HASH").then(|| pair[1].as_str())??.to_string());
        let source_hash = message["env"].as_array()?.iter().find_map(of)?;
        let package_version = message["package_id"].as_str()?.rsplit(['@', '#']).next()?.to_string();
        Some(Compiled { elf: elf.into(), package_version, source_hash, way })
    })
}

/// What goes into flash, and how much memory the program takes.
struct Image {
    base: u32,
    bytes: Vec<u8>,
    sizes: Sizes,
}

struct Sizes {
    text: u32,
    data: u32,
    bss: u32,
    stack: u32,
    heap: u32,
}

impl Image {
    fn of_elf(elf: &[u8]) -> Result<Self, Failure> {
        let file = ElfFile32::<Endianness>::parse(elf)?;
        let order = file.endian();
        let mut sizes = Sizes { text: 0, data: 0, bss: 0, stack: 0, heap: 0 };
        let mut pieces: Vec<(u32, &[u8])> = vec![];
        for header in file.elf_program_headers().iter().filter(|header| header.p_type(order) == PT_LOAD) {
            let bytes = header.data(order, elf).map_err(|()| "the ELF is cut short")?;
            let in_flash = header.p_vaddr(order) == header.p_paddr(order);
            if in_flash && !bytes.is_empty() {
                sizes.text += bytes.len() as u32;
            } else {
                sizes.data += bytes.len() as u32;
            }
            sizes.bss += header.p_memsz(order) - header.p_filesz(order);
            if !bytes.is_empty() {
                pieces.push((header.p_paddr(order), bytes));
            }
        }
        pieces.sort_by_key(|(address, _)| *address);
        let base = pieces.first().ok_or("the ELF has nothing to flash")?.0;
        let mut bytes = vec![];
        for (address, piece) in pieces {
            bytes.resize((address - base) as usize, 0xff);
            bytes.extend_from_slice(piece);
        }
        let symbol =
            |name: &str| file.symbols().find(|symbol| symbol.name() == Ok(name)).map(|symbol| symbol.address());
        if let (Some(top), Some(limit), Some(heap)) =
            (symbol("_stack_start"), symbol("_stack_limit"), symbol("__sheap"))
        {
            sizes.stack = (top - limit) as u32;
            sizes.heap = (limit - heap) as u32;
        }
        Ok(Self { base, bytes, sizes })
    }
}

/// The form that a drive of the RP2040's ROM takes: blocks of 512 bytes, each with 256 of the image and where they go.
fn uf2(base: u32, family: u32, image: &[u8]) -> Vec<u8> {
    const PAYLOAD: usize = 256;
    let count = image.len().div_ceil(PAYLOAD) as u32;
    let mut file = vec![];
    for (number, payload) in image.chunks(PAYLOAD).enumerate() {
        let number = number as u32;
        let address = base + number * PAYLOAD as u32;
        for word in [0x0a32_4655, 0x9e5d_5157, 0x2000, address, PAYLOAD as u32, number, count, family] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        let mut data = [0; 476];
        data[..payload.len()].copy_from_slice(payload);
        file.extend_from_slice(&data);
        file.extend_from_slice(&0x0ab1_6f30_u32.to_le_bytes());
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uf2_holds_the_image_in_order_and_says_how_many_blocks_there_are() {
        let image: Vec<u8> = (0..600_u32).map(|at| at as u8).collect();
        let file = uf2(0x1000_0000, 7, &image);
        assert_eq!(file.len(), 3 * 512);
        let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
        let mut back = vec![];
        for block in 0..3 {
            let at = block * 512;
            assert_eq!((word(at), word(at + 4), word(at + 508)), (0x0a32_4655, 0x9e5d_5157, 0x0ab1_6f30));
            assert_eq!((word(at + 12), word(at + 20)), (0x1000_0000 + block as u32 * 256, block as u32));
            assert_eq!((word(at + 16), word(at + 24), word(at + 28)), (256, 3, 7));
            back.extend_from_slice(&file[at + 32..at + 32 + 256]);
        }
        assert_eq!(back[..600], image);
    }

    #[test]
    fn cargo_s_messages_name_the_program_and_the_sources() {
        let messages = concat!(
            r#"{"reason":"build-script-executed","package_id":"path+file:///a/core#drydock-firmware@0.1.0","#,
            r#""env":[["DRYDOCK_SOURCE_HASH","0123456789ab"]]}"#,
            "\n",
            r#"{"reason":"compiler-artifact","executable":"/a/drydock-board-stm32f4"}"#
        );
        let compiled = from_messages(messages, "").unwrap();
        assert_eq!((compiled.package_version.as_str(), compiled.source_hash.as_str()), ("0.1.0", "0123456789ab"));
        assert!(from_messages("", "").is_none());
    }
}
