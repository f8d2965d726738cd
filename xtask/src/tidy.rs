pub fn run(_: &std::path::Path) -> crate::Findings {
    vec![]
}
