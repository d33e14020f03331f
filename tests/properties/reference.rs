//! A second, simple and slow implementation of paths and patterns, without any code of the crate.

use f9::ErrorKind;

/// Returns the segments of a path.
pub(crate) fn names_of(text: &str) -> Result<Vec<&str>, ErrorKind> {
    let mut names = Vec::new();
    for name in text.split('/') {
        if name.is_empty() || name == "." {
            continue;
        }
        let folded = name.to_lowercase();
        let visible: String = folded
            .chars()
            .filter(|c| !"\u{ad}\u{200b}\u{200d}\u{202e}\u{feff}".contains(*c))
            .collect();
        let reserved =
            [".backend.lock", ".f9"].contains(&&*visible) || visible.starts_with(".f9tmp-");
        if name == ".." {
            return Err(ErrorKind::PathEscapesRoot);
        } else if name.len() > 255 || name.contains('\0') {
            return Err(ErrorKind::InvalidPath);
        } else if reserved {
            return Err(ErrorKind::ReservedPath);
        }
        names.push(name);
    }
    let slashes = names.len().saturating_sub(1);
    let bytes = names.iter().map(|name| name.len()).sum::<usize>() + slashes;
    if bytes > 4096 { Err(ErrorKind::InvalidPath) } else { Ok(names) }
}

/// Whether a glob pattern matches the segments of a path; `None` if the pattern is invalid.
pub(crate) fn glob_matches(pattern: &str, names: &[&str]) -> Option<bool> {
    let branches = branches_of(pattern)?;
    Some(branches.iter().any(|branch| meets(branch, names)))
}

/// Returns the segments of each combination of alternatives.
fn branches_of(pattern: &str) -> Option<Vec<Vec<Vec<Token>>>> {
    let pattern: Vec<char> = pattern.chars().collect();
    let mut at = 0;
    let spelt = choices(&tokens_of(&pattern)?, &mut at, false)?;
    spelt.iter().map(|tokens| segments_of(tokens)).collect()
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Plain(char),
    Star,
    Any,
    Slash,
    OneOf { negated: bool, members: Vec<char> },
    Open,
    Comma,
    Close,
}

fn tokens_of(pattern: &[char]) -> Option<Vec<Token>> {
    if pattern.contains(&'\0') {
        return None;
    }
    let mut tokens = Vec::new();
    let mut rest = pattern;
    while let [first, after @ ..] = rest {
        rest = after;
        tokens.push(match first {
            '*' => Token::Star,
            '?' => Token::Any,
            '/' => Token::Slash,
            '{' => Token::Open,
            ',' => Token::Comma,
            '}' => Token::Close,
            '[' => {
                let negated = rest.first() == Some(&'!');
                rest = &rest[usize::from(negated)..];
                // The first character is a member, even if it is `]`.
                let end = 1 + rest.get(1..)?.iter().position(|&c| c == ']')?;
                let members = rest[..end].to_vec();
                rest = &rest[end + 1..];
                if members.contains(&'/') {
                    return None;
                }
                Token::OneOf { negated, members }
            }
            &plain => Token::Plain(plain),
        });
    }
    Some(tokens)
}

/// Returns the combinations of the tokens from `at` to the end, or to the `,` or `}` that ends an alternative.
fn choices(tokens: &[Token], at: &mut usize, within: bool) -> Option<Vec<Vec<Token>>> {
    let mut spelt = vec![Vec::new()];
    while *at < tokens.len() {
        let token = &tokens[*at];
        if within && matches!(token, Token::Comma | Token::Close) {
            return Some(spelt);
        }
        *at += 1;
        let next = match token {
            Token::Close => return None,
            Token::Comma => vec![vec![Token::Plain(',')]],
            Token::Open => {
                let mut alternatives = choices(tokens, at, true)?;
                while tokens.get(*at) == Some(&Token::Comma) {
                    *at += 1;
                    alternatives.extend(choices(tokens, at, true)?);
                }
                *at += 1;
                alternatives
            }
            token => vec![vec![token.clone()]],
        };
        let each = |before: Vec<Token>| {
            next.iter().map(move |after| [&before[..], after].concat()).collect::<Vec<_>>()
        };
        spelt = spelt.into_iter().flat_map(each).collect();
    }
    if within { None } else { Some(spelt) }
}

fn segments_of(tokens: &[Token]) -> Option<Vec<Vec<Token>>> {
    let dot = Token::Plain('.');
    let segments = tokens.split(|token| *token == Token::Slash).map(<[Token]>::to_vec);
    let segments: Vec<_> = segments.filter(|s| !s.is_empty() && s[..] != [dot.clone()]).collect();
    let escapes = segments.contains(&vec![dot.clone(), dot]);
    (!escapes).then_some(segments)
}

fn meets(segments: &[Vec<Token>], names: &[&str]) -> bool {
    let below = [Token::Star, Token::Star];
    match segments {
        [] => false,
        [last] if last[..] == below => !names.is_empty(),
        [first, rest @ ..] if first[..] == below => {
            (0..=names.len()).any(|skipped| meets(rest, &names[skipped..]))
        }
        [last] => matches!(names, [name] if spells(last, name)),
        [first, rest @ ..] => match names {
            [name, below @ ..] => spells(first, name) && meets(rest, below),
            [] => false,
        },
    }
}

fn spells(tokens: &[Token], name: &str) -> bool {
    let Some((token, rest)) = tokens.split_first() else {
        return name.is_empty();
    };
    if *token == Token::Star {
        let mut ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
        return ends.any(|at| spells(rest, &name[at..]));
    }
    let mut chars = name.chars();
    let Some(c) = chars.next() else { return false };
    let met = match token {
        Token::Any => true,
        Token::Plain(plain) => *plain == c,
        Token::OneOf { negated, members } => is_member(members, c) != *negated,
        Token::Star | Token::Slash | Token::Open | Token::Comma | Token::Close => false,
    };
    met && spells(rest, chars.as_str())
}

fn is_member(members: &[char], c: char) -> bool {
    match members {
        [from, '-', to, rest @ ..] => (*from..=*to).contains(&c) || is_member(rest, c),
        [member, rest @ ..] => *member == c || is_member(rest, c),
        [] => false,
    }
}
