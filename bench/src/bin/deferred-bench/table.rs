//! The table: medians, and the ratios between measurements of the same round.

use crate::contender::Contender;
use crate::shapes::Shape;

/// Prints all; the first contender is the one that the others are compared with. `nanos[contender][shape]` has a cost
/// for each round, or none.
pub fn print(shapes: &[Shape], contenders: &[Contender], nanos: &[Vec<Vec<f64>>], rounds: usize) {
    const OURS: usize = 0;
    // The other flavour of ours gets no ratio.
    let peers: Vec<usize> = (2..contenders.len()).collect();

    println!("ns for each operation, median of {rounds} rounds; and how many times as much as ours");
    print!("{:<20}", "");
    contenders.iter().for_each(|contender| print!("{:>10}", contender.name));
    peers.iter().for_each(|peer| print!("{:>15}", format!("{}/ours", contenders[*peer].name)));
    println!();
    for (number, shape) in shapes.iter().enumerate() {
        print!("{:<20}", shape.title);
        for (contender, nanos) in contenders.iter().zip(nanos) {
            let cell = match median(&nanos[number]) {
                Some(nanos) => format!("{nanos:.1}"),
                None if contender.is_here() => "-".to_owned(),
                None => "not here".to_owned(),
            };
            print!("{cell:>10}");
        }
        for peer in &peers {
            let pairs = nanos[*peer][number].iter().zip(&nanos[OURS][number]);
            let ratio = median(&pairs.map(|(peer, ours)| peer / ours).collect::<Vec<_>>());
            print!("{:>15}", ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}")));
        }
        println!();
    }
    println!();
    for (contender, nanos) in contenders.iter().zip(nanos) {
        let spread = nanos.iter().filter_map(|nanos| spread(nanos)).max_by(f64::total_cmp);
        let spread = spread.map_or(String::new(), |spread| format!("; spread at most {:.0}%", 100.0 * spread));
        println!("{}: {}{spread}", contender.name, contender.about);
    }
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values
}

fn median(values: &[f64]) -> Option<f64> {
    let values = sorted(values);
    let half = values.len() / 2;
    let upper = values.get(half)?;
    Some(if values.len() % 2 == 1 { *upper } else { f64::midpoint(values[half - 1], *upper) })
}

/// How far the middle half of the values reaches, as a part of the median.
fn spread(values: &[f64]) -> Option<f64> {
    let median = median(values)?;
    let values = sorted(values);
    let quarter = values.len() / 4;
    Some((values[values.len() - 1 - quarter] - values[quarter]) / median)
}
