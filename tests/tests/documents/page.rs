//! A document, read as Markdown is: its links, what stands in backticks, its blocks, and what can be linked to.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use tests::database::project;

/// What is no source of the project's.
const NOT_OURS: [&str; 2] = [".git", "target"];

pub struct Page {
    /// From the project's root.
    pub path: PathBuf,
    /// As they are written: a web address, a file, a file's heading, or a heading of this page.
    pub links: Vec<String>,
    /// What stands in backticks within a line.
    pub words: Vec<String>,
    pub blocks: Vec<Block>,
    /// What a link to this page may name after `#`.
    pub anchors: BTreeSet<String>,
}

/// A fenced block.
pub struct Block {
    /// Where it stands, for whoever has to mend it: `docs/guide/3-views.md:17`.
    pub place: String,
    /// The words after the fence: what language it is in, and what may be done with it.
    pub info: String,
    pub text: String,
}

/// Every document of the project.
pub fn pages() -> Vec<Page> {
    let is_document = |path: &&PathBuf| {
        let is_markdown = path.extension().is_some_and(|extension| extension == "md");
        is_markdown && (path.starts_with("docs") || path.components().count() == 1)
    };
    let files = files();
    let documents = files.iter().filter(is_document);
    let pages: Vec<Page> = documents.map(|path| read(path)).collect();
    assert!(!pages.is_empty(), "there are no documents");
    pages
}

/// Every file of the project, from its root, in order.
pub fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    collect(project(), &mut files);
    files.sort();
    files
}

/// The targets that the Makefile offers.
pub fn targets() -> Vec<String> {
    let makefile = fs::read_to_string(project().join("Makefile")).expect("the Makefile is there");
    let offered = makefile
        .lines()
        .find_map(|line| line.strip_prefix(".PHONY:"));
    let offered = offered.expect("it names its targets").split_whitespace();
    offered.map(str::to_owned).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let entry = entry.expect("an entry");
        let is_ours = !NOT_OURS.iter().any(|name| entry.file_name() == *name);
        if is_ours && entry.file_type().expect("a type").is_dir() {
            collect(&entry.path(), files);
        } else if is_ours {
            let path = entry.path();
            files.push(
                path.strip_prefix(project())
                    .expect("it lies in the project")
                    .to_owned(),
            );
        }
    }
}

fn read(path: &Path) -> Page {
    let text = fs::read_to_string(project().join(path)).expect("a document is text");
    let mut page = Page {
        path: path.to_owned(),
        links: Vec::new(),
        words: Vec::new(),
        blocks: Vec::new(),
        anchors: BTreeSet::new(),
    };
    let (mut heading, mut block) = (None::<String>, None::<Block>);
    for (event, range) in Parser::new_ext(&text, Options::ENABLE_TABLES).into_offset_iter() {
        match event {
            Event::Start(Tag::Link { dest_url, .. }) => page.links.push(dest_url.into_string()),
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => page
                .anchors
                .extend(heading.take().map(|title| anchor(&title))),
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                let line = text[..range.start].lines().count() + 1;
                block = Some(Block {
                    place: format!("{}:{line}", path.display()),
                    info: info.into_string(),
                    text: String::new(),
                });
            }
            Event::End(TagEnd::CodeBlock) => page.blocks.extend(block.take()),
            Event::Code(word) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&word);
                }
                page.words.push(word.into_string());
            }
            Event::Text(part) => {
                if let Some(block) = &mut block {
                    block.text.push_str(&part);
                } else if let Some(heading) = &mut heading {
                    heading.push_str(&part);
                }
            }
            _ => {}
        }
    }
    page
}

/// The name under which a heading can be linked to, as GitHub makes it.
fn anchor(title: &str) -> String {
    let kept = title
        .chars()
        .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}
