fn main() {
    println!("done");
}
