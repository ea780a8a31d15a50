//! Makes a program smaller that shows a difference: so that a person can read it.

use crate::program::Program;

/// Takes away faults, rules and actions, as long as `differs` is true of what is left.
pub(crate) fn shrink(mut program: Program, differs: impl Fn(&Program) -> bool) -> Program {
    loop {
        let before = size(&program);
        // Whole halves first, then less and less: most of a program has no part in a difference.
        let mut chunk = program.rules.len().div_ceil(2);
        while chunk > 0 {
            let mut at = 0;
            while at < program.rules.len() {
                let mut less = program.clone();
                less.rules.drain(at..(at + chunk).min(program.rules.len()));
                if differs(&less) {
                    program = less;
                } else {
                    at += chunk;
                }
            }
            chunk /= 2;
        }
        for rule in (0..program.rules.len()).rev() {
            for action in (0..program.rules[rule].actions.len()).rev() {
                let mut less = program.clone();
                less.rules[rule].actions.remove(action);
                if differs(&less) {
                    program = less;
                }
            }
        }
        for fault in (0..program.faults.len()).rev() {
            let mut less = program.clone();
            less.faults.remove(fault);
            if differs(&less) {
                program = less;
            }
        }
        if size(&program) == before {
            return program;
        }
    }
}

fn size(program: &Program) -> usize {
    program.rules.len() + program.action_count() + program.faults.len()
}
