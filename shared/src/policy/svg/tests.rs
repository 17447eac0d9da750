use super::*;

fn check(svg: &[u8], chunk: usize) -> Result<(), Unsafe> {
    let mut check = SvgCheck::default();
    svg.chunks(chunk).try_for_each(|part| check.chunk(part))
}

/// The outcome must not depend on where the chunks end.
fn outcome(svg: &[u8]) -> Result<(), Unsafe> {
    let whole = check(svg, usize::MAX);
    for chunk in [1, 2, 3, 7, 64] {
        assert_eq!(check(svg, chunk).is_ok(), whole.is_ok(), "in chunks of {chunk}: {}", text(svg));
    }
    whole
}

fn text(svg: &[u8]) -> String {
    String::from_utf8_lossy(svg).into_owned()
}

fn within(content: &str) -> Vec<u8> {
    format!(r##"<svg xmlns="http://www.w3.org/2000/svg">{content}<path d="M0 0"/></svg>"##).into_bytes()
}

#[test]
fn images_pass() {
    let as_drawn_by_models = br##"<?xml version="1.0" encoding="UTF-8" standalone="no"?>
        <!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
        <!-- made by a model -->
        <svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
             style="display: block;" viewBox="0 0 2048 2048" preserveAspectRatio="none">
        <metadata><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></metadata>
        <style type="text/css"><![CDATA[ .a > .b { fill: url(#g) } @font-face { src: url("data:font/woff2;base64,AA==") } ]]></style>
        <defs><linearGradient id="g"><stop offset="0" stop-color="rgb(1,2,3)"/></linearGradient></defs>
        <title>Caf&#233; &amp; bar</title><path transform="translate(0,0)" fill='url( "#g" )' d="M0 0L1 1z" aria-label="a &gt; b"></path>
        <use xlink:href="#a"/><image href="data:image/png;base64,iVBORw0KGgo="/><text>on load &lt; 3</text></svg>"##;
    assert_eq!(outcome(as_drawn_by_models), Ok(()));
    assert_eq!(outcome(b"\xef\xbb\xbf<svg/>\n"), Ok(()));
}

#[test]
fn what_can_run_or_reach_out_is_refused() {
    let table: &[&str] = &[
        "<script>alert(1)</script>",
        "<script href='data:,alert(1)'/>",
        "<svg:script>alert(1)</svg:script>",
        "<x:script xmlns:x='http://www.w3.org/2000/svg'>alert(1)</x:script>",
        "<x:script xmlns:x='http://www.w3.org/1999/xhtml'>alert(1)</x:script>",
        "<x:script xmlns:x='http://www.w3.org/2000/s&#118;g'>alert(1)</x:script>",
        "<g xmlns='http://www.w3.org/1999/xhtml'/>",
        "<SCRIPT>alert(1)</SCRIPT>",
        "<g onload='alert(1)'/>",
        "<g\nONLOAD\n=\n'alert(1)'/>",
        "<g a='1'onload='alert(1)'/>",
        "<g x:onload='alert(1)'/>",
        "<g/onload='alert(1)'/>",
        "<foreignObject><body/></foreignObject>",
        "<iframe src='https://x.example'/>",
        "<set attributeName='onclick' to='alert(1)'/>",
        "<animate attributeName='href' values='javascript:alert(1)'/>",
        "<a href='javascript:alert(1)'/>",
        "<a href='java&#115;cript:alert(1)'/>",
        "<a xlink:href=' javascript:alert(1)'/>",
        "<a href='https://x.example'/>",
        "<use href='https://x.example/a.svg#a'/>",
        "<use href='data:image/svg+xml;base64,AAAA#x'/>",
        "<image href='//x.example/pixel.png'/>",
        "<g xml:base='https://x.example/'/>",
        "<g style='fill: url(https://x.example/)'/>",
        "<g fill='u&#114;l(https://x.example/)'/>",
        "<g fill='u\\72l(https://x.example/)'/>",
        "<g fill='URL(\"https://x.example/\")'/>",
        "<style>@import 'https://x.example/a.css';</style>",
        "<style>a{fill:url(https://x.example/)}</style>",
        "<style>@imp<!-- -->ort 'https://x.example';</style>",
        "<style>@im<![CDATA[port]]> 'https://x.example';</style>",
        "<style>&#64;import 'https://x.example';</style>",
        "<style><g/></style>",
        "<style><![CDATA[</style><img src='x'>]]></style>",
        "<title><![CDATA[<img src='x'>]]></title>",
        "<!--><img src='x'>-->",
        "<!-- a --!> <b> -->",
        "<?xml-stylesheet href='data:text/xsl,x'?>",
        "<!ENTITY a 'b'>",
        "<g id='&own;'/>",
        "<g id=a/>",
        "<g id/>",
        "<g title='<script>'/>",
        "<g\u{85}onload='alert(1)'/>",
    ];
    for content in table {
        assert!(outcome(&within(content)).is_err(), "passed: {content}");
    }
}

#[test]
fn nothing_before_the_root_changes_what_the_bytes_mean() {
    for beginning in [
        &b"<?xml version='1.0' encoding='utf-7'?>"[..],
        b"<?xml version='1.0' encoding = \"ISO-2022-JP\"?>",
        b"<?xml version=\"encoding='utf-8\" encoding=\"iso-2022-jp\"?>",
        b"<?xml-stylesheet href='#a' type='text/xsl'?>",
        b"<!DOCTYPE svg [<!ENTITY a '<script/>'>]>",
        b"<!DOCTYPE svg PUBLIC 'a>b' [<!ENTITY a 'b'>]>",
        b"\xfe\xff\0<\0s",
        b"<!DOCTYPE \xff>",
        b"\n<?xml version='1.0'?>",
    ] {
        let svg = [beginning, b"<svg><g id='\xc3\xa4'/></svg>"].concat();
        let svg = if beginning.starts_with(b"\xfe") { [&svg[..], b"<\0s>"].concat() } else { svg };
        assert!(outcome(&svg).is_err(), "passed: {}", text(&svg));
    }
}

#[test]
fn what_never_ends_is_given_up() {
    let mut check = SvgCheck::default();
    let part = vec![b'a'; 1024 * 1024];
    check.chunk(b"<svg><path d='").unwrap();
    let passed = (0..20).take_while(|_| check.chunk(&part).is_ok()).count();
    assert!((1..3).contains(&passed), "{passed} MiB passed");
}
