//! The application without a window: it draws into a picture, frame by frame as it is told to.

use crate::camera::Eye;
use crate::drawing::{DrawPlugin, Rendering, SideCamera, camera, port};
use crate::hud::{self, HudPlugin, Panels};
use crate::scene::{Comparing, Patience, SceneSystems, Session, View};
use bevy::app::PluginsState;
use bevy::camera::{ImageRenderTarget, RenderTarget};
use bevy::log::LogPlugin;
use bevy::prelude::*;
use bevy::render::RenderApp;
use bevy::render::render_resource::{PipelineCache, TextureFormat};
use bevy::render::renderer::RenderDevice;
use bevy::render::view::screenshot::{Screenshot, ScreenshotCaptured};
use bevy::window::ExitCondition;
use bevy::winit::WinitPlugin;
use bevy_egui::{EguiGlobalSettings, EguiPlugin};
use drydock_view_panels::ViewState;
use std::time::Duration;

/// The adapter that will draw.
#[derive(Clone, Debug)]
pub struct Adapter {
    pub name: String,
    /// A processor draws.
    pub software: bool,
    backends: wgpu::Backends,
}

pub const NO_ADAPTER: &str = "nothing here can draw: there is no Vulkan driver. Without a graphics card, install the \
                              software one: apt-get install libvulkan1 mesa-vulkan-drivers";

impl Adapter {
    /// Asks before bevy does, which would end the program where there is none.
    pub fn find() -> Result<Adapter, String> {
        // OpenGL is asked only where there is nothing else.
        for backends in [wgpu::Backends::PRIMARY, wgpu::Backends::GL] {
            let wanted =
                wgpu::InstanceDescriptor { backends, ..wgpu::InstanceDescriptor::new_without_display_handle() };
            let asked = wgpu::Instance::new(wanted.with_env());
            let adapter = asked.request_adapter(&wgpu::RequestAdapterOptions {
                power_preference: wgpu::PowerPreference::HighPerformance,
                ..Default::default()
            });
            if let Ok(adapter) = bevy::tasks::block_on(adapter) {
                let info = adapter.get_info();
                let (name, software) =
                    (format!("{} ({:?})", info.name, info.backend), info.device_type == wgpu::DeviceType::Cpu);
                return Ok(Adapter { name, software, backends });
            }
        }
        Err(NO_ADAPTER.to_owned())
    }

    pub fn rendering(&self) -> Rendering {
        Rendering::new(self.backends, self.software)
    }
}

/// Pixels of a picture, four bytes each.
#[derive(Clone, Debug)]
pub struct Picture {
    pub width: u32,
    pub height: u32,
    pub rgba: Vec<u8>,
}

/// Where the eye is, for both sides.
#[derive(Resource, Clone, Copy, Debug)]
pub struct Look {
    pub eye: Eye,
    pub flat: bool,
}

#[derive(Resource, Default)]
struct Taken(Option<Picture>);

pub struct Stage {
    app: App,
    target: Handle<Image>,
}

impl Stage {
    pub fn new(
        session: Session,
        view: View,
        look: Look,
        size: UVec2,
        rendering: Rendering,
        hud: Option<ViewState>,
    ) -> Stage {
        let mut app = App::new();
        let plugins = DefaultPlugins.build();
        // The renderer stays in this application: what a frame has drawn can be waited for.
        #[cfg(all(feature = "native", not(target_arch = "wasm32")))]
        let plugins = plugins.disable::<bevy::render::pipelined_rendering::PipelinedRenderingPlugin>();
        app.add_plugins(
            plugins
                .set(WindowPlugin { primary_window: None, exit_condition: ExitCondition::DontExit, ..default() })
                .set(rendering.plugin(true))
                .set(LogPlugin { filter: "error".into(), ..default() })
                .disable::<WinitPlugin>(),
        );
        app.add_plugins(EguiPlugin::default())
            .insert_resource(EguiGlobalSettings { auto_create_primary_context: false, ..default() })
            .add_plugins(DrawPlugin(rendering))
            .insert_resource(session)
            .insert_resource(look)
            .insert_resource(view)
            // A picture waits for all that belongs in it.
            .insert_resource(Patience(Duration::MAX))
            .init_resource::<Taken>()
            .add_systems(Update, aim.after(SceneSystems));
        let target = app.world_mut().resource_mut::<Assets<Image>>().add(Image::new_target_texture(
            size.x,
            size.y,
            TextureFormat::Rgba8UnormSrgb,
            None,
        ));
        for side in 0..2 {
            let at = RenderTarget::Image(ImageRenderTarget::from(target.clone()));
            app.world_mut().spawn((camera(side, &rendering), at));
        }
        if let Some(state) = hud {
            let at = RenderTarget::Image(ImageRenderTarget::from(target.clone()));
            app.world_mut().spawn((hud::camera(&rendering), at));
            app.insert_resource(Panels { state, ..default() })
                .add_plugins(HudPlugin)
                .add_systems(Update, hud::view.before(SceneSystems));
        }
        while app.plugins_state() == PluginsState::Adding {
            bevy::tasks::tick_global_task_pools_on_main_thread();
        }
        app.finish();
        app.cleanup();
        Stage { app, target }
    }

    pub fn session(&mut self) -> Mut<'_, Session> {
        self.app.world_mut().resource_mut()
    }

    pub fn look(&mut self) -> Mut<'_, Look> {
        self.app.world_mut().resource_mut()
    }

    pub fn app(&mut self) -> &mut App {
        &mut self.app
    }

    /// Draws one frame.
    pub fn frame(&mut self) {
        self.app.update();
    }

    /// Waits until what was asked for is drawn.
    pub fn finish(&mut self) {
        if let Some(render) = self.app.get_sub_app(RenderApp) {
            // An error here is a lost device; the next frame tells.
            let _ = render.world().resource::<RenderDevice>().poll(wgpu::PollType::wait_indefinitely());
        }
    }

    fn is_ready(&self) -> bool {
        self.app
            .get_sub_app(RenderApp)
            .is_some_and(|render| render.world().resource::<PipelineCache>().waiting_pipelines().next().is_none())
    }

    /// Draws until nothing is missing in the picture: shaders come from files, meshes a frame later.
    pub fn settle(&mut self) {
        let mut ready = 0;
        for _ in 0..500 {
            self.frame();
            ready = if self.is_ready() { ready + 1 } else { 0 };
            if ready >= 4 {
                return;
            }
        }
    }

    /// The next frame as a picture.
    pub fn picture(&mut self) -> Result<Picture, String> {
        self.app.world_mut().spawn(Screenshot::image(self.target.clone())).observe(
            |captured: On<ScreenshotCaptured>, mut taken: ResMut<Taken>| {
                let size = captured.image.size();
                taken.0 = captured.image.data.clone().map(|rgba| Picture { width: size.x, height: size.y, rgba });
            },
        );
        for _ in 0..100 {
            self.frame();
            self.finish();
            if let Some(picture) = self.app.world_mut().resource_mut::<Taken>().0.take() {
                return Ok(picture);
            }
        }
        Err("the picture did not come back from the graphics card".into())
    }
}

/// Cameras to where the eye is; one half of the picture each where two recordings are compared.
pub fn aim(
    look: Res<Look>,
    view: Res<View>,
    session: Res<Session>,
    panels: Option<Res<Panels>>,
    mut cameras: Query<(&mut Camera, &mut Transform, &mut Projection), With<SideCamera>>,
) {
    let beside = session.sides.len() > 1 && view.compare == Comparing::Beside;
    for (mut camera, mut place, mut projection) in &mut cameras {
        camera.is_active = camera.order == 0 || beside;
        camera.clear_color =
            if camera.order == 0 { ClearColorConfig::Custom(view.background()) } else { ClearColorConfig::None };
        if let Some(size) = camera.physical_target_size() {
            let whole = Rect::from_corners(Vec2::ZERO, size.as_vec2());
            let free = panels.as_ref().and_then(|panels| panels.free).map_or(whole, |free| free.intersect(whole));
            camera.viewport = Some(port(free, camera.order as u32, beside));
        }
        let wanted = look.eye.transform();
        if *place != wanted {
            *place = wanted;
        }
        if look.is_changed() || projection.is_added() {
            *projection = look.eye.projection(look.flat);
        }
    }
}
