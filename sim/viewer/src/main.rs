//! `drydock-view`: see a recording in a window, or make pictures of it without one.

#[cfg(not(target_arch = "wasm32"))]
mod args;
mod beads;
#[cfg(not(target_arch = "wasm32"))]
mod bench;
mod camera;
mod drawing;
mod hud;
mod machine;
mod materials;
mod memory;
mod part;
mod print;
mod scene;
#[cfg(not(target_arch = "wasm32"))]
mod shot;
#[cfg(not(target_arch = "wasm32"))]
mod stage;
#[cfg(feature = "native")]
mod tuning;
#[cfg(target_arch = "wasm32")]
mod web;
mod window;

#[cfg(not(target_arch = "wasm32"))]
fn main() -> std::process::ExitCode {
    use clap::Parser;
    use std::process::ExitCode;

    match run(args::Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("drydock-view: {message}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn run(arguments: args::Arguments) -> Result<(), String> {
    use args::Sub;
    use drydock_view_model::Document;

    let open = |path: &std::path::PathBuf| Document::open(path).map_err(|error| error.to_string());
    match arguments.command {
        Some(Sub::Shot(wanted)) => {
            let mut paths = vec![&wanted.recording];
            paths.extend(&wanted.compare);
            let documents = || paths.iter().map(|path| open(path)).collect::<Result<Vec<_>, _>>();
            if let Some(out) = &wanted.out {
                shot::picture(&wanted.shot(), documents()?, out)?;
            }
            if let Some(out) = &wanted.video {
                shot::film(&wanted.shot(), &wanted.film(), documents()?, out)?;
            }
            Ok(())
        }
        Some(Sub::Bench(wanted)) => {
            let bench = bench::Bench {
                segments: wanted.segments,
                frames: wanted.frames.max(1),
                size: wanted.size,
                shadows: wanted.shadows,
                msaa: wanted.msaa,
                span_mm: wanted.span,
            };
            println!("{}", bench::run(&bench)?);
            Ok(())
        }
        None => {
            screen()?;
            let paths = [arguments.recording, arguments.second];
            let mut documents: Vec<Document> = paths.iter().flatten().map(open).collect::<Result<_, _>>()?;
            #[cfg(feature = "native")]
            if documents.is_empty() {
                documents = demo()?.iter().map(open).collect::<Result<_, _>>()?;
            }
            window::run(documents, stage::Adapter::find()?.rendering())
        }
    }
}

/// Asked before winit does, which would end the program where there is none.
#[cfg(not(target_arch = "wasm32"))]
fn screen() -> Result<(), String> {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if cfg!(target_os = "linux") && !["WAYLAND_DISPLAY", "WAYLAND_SOCKET", "DISPLAY"].into_iter().any(is_set) {
        return Err(
            "there is no screen here for a window: neither DISPLAY nor WAYLAND_DISPLAY is set; pictures need none: \
                    drydock-view shot RECORDING -o picture.png"
                .into(),
        );
    }
    Ok(())
}

/// The bundled print, without and with input shaping; it is simulated the first time.
#[cfg(feature = "native")]
fn demo() -> Result<[std::path::PathBuf; 2], String> {
    let mut told = 0;
    let made = drydock_view_resim::demo(|share| {
        let tenths = (share * 10.0) as u32;
        if tenths > told {
            told = tenths;
            eprintln!("printing the demo: {} %", tenths * 10);
        }
    });
    made.map_err(|error| error.to_string())
}

#[cfg(target_arch = "wasm32")]
fn main() {
    // The page calls web::start.
}
